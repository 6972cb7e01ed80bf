"""A month of a spam filter, played in minutes: real servers, simulated people, mail that changes.

python examples/a_month/play.py --with airflow --with prefect --kill --out DIR
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from crowd import Crowd, Lead
from machines import Server, kill_run, killed, querist, until
from mail import CHANGED, Mail, Mails, made, real, write
from orchestrators import KINDS, Orchestrator
from outcome import record
from traffic import Traffic
from watchers import Watchers

from querist.pipeline.deploy.deploying import deploy_status
from querist.pipeline.project import Project
from querist.pipeline.rounds import completeness
from querist.store.analyses import list_analyses

HERE = Path(__file__).parent
WINDOW, MOST_WINDOWS, MORE_ROUNDS = 100, 4, 2
"""Mails in a window, windows of changed mail until the alarm, and rounds after a drift round whose model is held."""


class Month:
    """The project in a folder of its own, its servers, and what was killed so far."""

    def __init__(self, out: Path, mails: Mails, *, kill: bool, watched: bool) -> None:
        self.folder, self.scratch = out / "project", out / "scratch"
        self.folder.mkdir(parents=True)
        self.scratch.mkdir()
        self.mails, self.kill, self.watched = mails, kill, watched
        self.kills = Counter[str]()
        self.crowd, self.lead = Crowd(self.folder, mails.truth), Lead(self.folder, mails.truth)
        self.server = Server(self.folder, log=self.scratch / "serve.log")
        self.traffic = Traffic(self.folder, self.scratch / "served-model.log")
        self.orchestrator: Orchestrator | None = None
        self.watchers: Watchers | None = None
        self.drift_rounds: list[int] = []
        self.changed = [mails.changed[at : at + WINDOW] for at in range(0, len(mails.changed), WINDOW)]
        self.day, self.start = 1, time.monotonic()
        self.facts: dict[str, Any] = {}

    # -- what the story is told with

    def settle(self, more: str = "") -> None:
        """Writes the settings, those of the orchestrator among them, and opens the project with them."""
        settings = (HERE / "querist.toml").read_text(encoding="utf-8")
        (self.folder / "querist.toml").write_text(settings + more, encoding="utf-8")
        self.project = Project(self.folder)

    def say(self, text: str, *, days: int = 0) -> None:
        print(f"day {self.day:2}  {time.monotonic() - self.start:5.0f} s  {text}", flush=True)
        self.day += days

    def killing(self, what: str, *, done: bool) -> None:
        self.kills[what] += done

    def command(self, *words: object, when: Any) -> str:
        """What a command of querist says; the first of its kind is killed and given again."""
        name = f"querist {words[0]}"
        if self.kill and not self.kills[name]:
            self.killing(name, done=killed(self.folder, *words, when=when))
        return querist(self.folder, *words)

    def analyses(self, kind: str) -> list[dict[str, Any]]:
        with self.project.ledger.read() as tx:
            return [dict(a.result) for a in list_analyses(tx, kind)]

    # -- its scenes

    def begin(self) -> None:
        """Mail until June is taken in, people get their accounts."""
        self.settle()
        write(self.folder / "mail.csv", self.mails.first)
        lock = self.folder / ".querist" / "lock"
        self.command("ingest", self.folder / "mail.csv", when=lock.exists)
        held = self.lead.label()
        self.crowd.join()
        self.server.start()
        self.say(f"{len(self.mails.first)} mails taken in; the lead has labeled {held['test']} of the holdout")

    def run_by(self, kind: str) -> None:
        """From now on another orchestrator runs the rounds; none is in the middle of one."""
        if self.orchestrator is not None:
            self.orchestrator.stop()
        self.orchestrator = made = KINDS[kind](self.folder, self.scratch, "a_month")
        self.server.end()
        self.settle(f"\n[orchestration]\n{made.settings}\n")
        self.server.start()
        made.start()
        made.ready()
        self.say(f"{kind} runs the rounds")

    def round(self) -> dict[str, Any]:
        """Asked, labeled, trained, judged; the gate's decision."""
        number = self.project.next_round()
        self.ask(number)
        return self.learn(number)

    def ask(self, number: int) -> None:
        assert self.orchestrator is not None
        if not self.asked(number):
            self.orchestrator.ask()
            until(lambda: self.asked(number), f"round {number} to be asked")

    def asked(self, number: int) -> bool:
        return self.project.is_open(number) and bool(completeness(self.project, number)["asked"])

    def learn(self, number: int) -> dict[str, Any]:
        """People label the round while what runs is killed; querist or its orchestrator does the rest."""
        assert self.orchestrator is not None
        name = type(self.orchestrator).__name__
        kill = self.kill and not self.kills[f"training by {name}"]
        if kill:
            self.killing(name, done=self.orchestrator.kill())
            threading.Thread(target=self.kill_training, args=[f"training by {name}"], daemon=True).start()
        answers = self.crowd.label(number, self.server, meanwhile=self.kill_server if self.kill else lambda: None)
        if kill:
            self.orchestrator.ready()
        judged = until(lambda: self.judged(number), f"the model of round {number} to be judged", pause=0.3)
        held = "; ".join(c["reason"] for c in judged["criteria"] if not c["passed"])
        if judged["passed"]:
            version = judged["model_version"]
            until(lambda: self.promoted(version), f"{version} to be promoted", pause=0.3)
        verdict = f"is held: {held}" if held else "passes"
        self.say(f"round {number}: {answers} answers; {judged['model_version']} {verdict}", days=1)
        return dict(judged)

    def kill_server(self) -> None:
        self.server.kill()
        self.server.start()
        self.killing("querist serve", done=True)

    def kill_training(self, what: str) -> None:
        self.killing(what, done=kill_run(self.folder, "retrained"))

    def judged(self, number: int) -> dict[str, Any] | None:
        """The gate's decision on the model of an evaluated round, once it is there."""
        assert self.orchestrator is not None
        self.orchestrator.tick()
        found = [g for g in self.analyses("gate") if g["model_version"].startswith(f"r{number:03}-")]
        return found[-1] if found else None

    def promoted(self, version: str) -> bool:
        assert self.orchestrator is not None
        if (current := deploy_status(self.project)["current"]) and current["model_version"] == version:
            return True
        self.orchestrator.tick()
        return False

    def serve(self) -> None:
        """The model answers; mail of the usual kind comes, and nobody is alarmed."""
        self.traffic.start()
        if self.watched:
            self.watchers = Watchers(self.folder, self.scratch, self.server, self.traffic.server)
            self.watchers.start()
        for at in range(0, len(self.mails.usual), WINDOW):
            self.mail("usual", self.mails.usual[at : at + WINDOW])
        self.check()
        checks = self.analyses("drift_check")
        self.facts["usual_over"] = sum(bool(one["over"]) for one in checks)
        self.say(f"{len(checks)} windows of usual mail checked, {self.facts['usual_over']} over a threshold")

    def mail(self, what: str, mails: Sequence[Mail]) -> None:
        kill = self.kill and not self.kills["querist deploy serve"]
        found = self.traffic.send(what, mails, kill=kill)
        self.killing("querist deploy serve", done=kill)
        self.say(f"{found.n} mails, {what}: accuracy {found.accuracy:.2f} of {found.version}", days=2)

    def check(self) -> int | None:
        """The round that a new alarm has opened, by the check itself, or by Alertmanager where it runs."""
        self.traffic.written()
        before = len(self.analyses("drift_check"))
        words = ["monitor", "check", "--json", *(["--no-round"] if self.watchers else [])]
        found = json.loads(self.command(*words, when=lambda: len(self.analyses("drift_check")) > before))
        if found["alert"] is None or len(self.analyses("alert")) == len(self.drift_rounds):
            return None
        if self.watchers:
            until(lambda: len(self.analyses("drift_round")) > len(self.drift_rounds), "Alertmanager to open a round")
        number: int = self.analyses("drift_round")[-1]["round"]
        self.ask(number)
        self.drift_rounds.append(number)
        self.say(f"alarm: {found['alert']['why']}; drift round {number} is asked")
        return number

    def drift(self) -> None:
        """The mail changes; two windows later there is an alarm, and a round of questions about the new mail."""
        round, n = None, 0
        while round is None:
            if n == MOST_WINDOWS:
                raise RuntimeError(f"no alarm within {MOST_WINDOWS} windows of changed mail")
            n += 1
            self.mail("changed", self.changed.pop(0))
            if self.watchers and self.kill and n == 1:
                self.watchers.kill()
                self.killing("Prometheus and Alertmanager", done=True)
            round = self.check()
        self.facts["mails_to_alarm"] = n * WINDOW
        self.recover(round)
        self.facts["mails_to_recovery"] = sum(w.n for w in self.traffic.windows if w.what.startswith("changed"))

    def recover(self, round: int) -> None:
        """More mail comes while people label; then the new model answers, without a restart."""
        held = self.lead.label()
        self.say(f"the lead labels {held['test']} new mails of the holdout")
        if self.changed:
            self.mail("changed, being learned", self.changed.pop(0))
        judged = self.learn(round)
        for _ in range(MORE_ROUNDS):
            judged = judged if judged["passed"] else self.round()
        if not judged["passed"]:
            self.say("none is better than the served model, which stays; the alarm stays open until one is")
            return
        self.traffic.serves(judged["model_version"])
        self.say(f"{judged['model_version']} answers: {judged['criteria'][0]['reason']}")

    def afterwards(self) -> None:
        """The changed mail is what is usual now; where it changes again, the same happens again."""
        while self.changed:
            self.mail("learned", self.changed.pop(0))
            if (round := self.check()) is not None:
                self.recover(round)

    def end(self) -> None:
        if self.watchers is not None:
            self.watchers.stop()
        self.traffic.stop()
        if self.orchestrator is not None:
            self.orchestrator.stop()
        self.server.end()


def play(out: Path, kinds: Sequence[str], mails: Mails, *, kill: bool, watched: bool) -> dict[str, Any]:
    """Plays the month into the folder `out` and returns what its record says."""
    month = Month(out, mails, kill=kill, watched=watched)
    try:
        month.begin()
        for kind in kinds:
            month.run_by(kind)
            for _ in range(3 if len(kinds) == 1 else 2 if kind == kinds[0] else 1):
                month.round()
        month.serve()
        month.drift()
        month.afterwards()
    finally:
        month.end()
    found = record(month.folder, month.crowd.acknowledged, month.traffic.windows)
    found |= {
        **month.facts,
        "kills": {what: n for what, n in month.kills.items() if n},
        "failed_requests": month.crowd.failed_requests,
    }
    found["seconds"] = round(time.monotonic() - month.start, 1)
    (out / "month.json").write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--with", dest="kinds", action="append", choices=list(KINDS), help="who runs the rounds, in turn  [shell]"
    )
    parser.add_argument("--alertmanager", action="store_true", help="drift rounds are opened by Alertmanager")
    parser.add_argument("--kill", action="store_true", help="kill -9 what runs, at each boundary")
    parser.add_argument("--made", action="store_true", help="made-up mail, also where QUERIST_DATA has the real one")
    parser.add_argument("--changed", type=int, default=CHANGED, help=f"mails to come after the change  [{CHANGED}]")
    parser.add_argument("--out", type=Path, help="empty folder for project and record  [a temporary one]")
    given = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that all that was started ends
    out = given.out or Path(tempfile.mkdtemp(prefix="querist-month-"))
    if out.exists() and any(out.iterdir()):
        raise SystemExit(f"{out} is not empty; name another folder")
    data = os.environ.get("QUERIST_DATA")
    mails = made() if given.made or not data else real(Path(data))
    mails = replace(mails, changed=mails.changed[: given.changed])
    found = play(out.absolute(), given.kinds or ["shell"], mails, kill=given.kill, watched=given.alertmanager)
    print(found["story"])
    if found["kills"]:
        print("killed:", ", ".join(f"{what} ({n})" for what, n in found["kills"].items()))
    print(f"all of it: {out / 'month.json'}, {out / 'project' / 'reports' / 'report.html'}")


if __name__ == "__main__":
    main()
