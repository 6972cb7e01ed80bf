"""The people of the month: four who label through the HTTP API, and a lead who labels the holdout."""

from __future__ import annotations

import csv
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from annotators import Annotator
from machines import Server, querist, until

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.project import Project
from querist.pipeline.rounds import completeness
from querist.snapshots.snapshot import SPLITS

RIGHT = {"ada": 0.99, "ben": 0.97, "cleo": 0.96, "dan": 0.88}
"""How often each is right."""


class Crowd:
    """Who knows the truth, but for the odd slip."""

    def __init__(self, folder: Path, truth: Mapping[str, str]) -> None:
        self._folder, self._truth = folder, truth
        self._tokens: dict[str, str] = {}
        self._classes = sorted(set(truth.values()))
        self.acknowledged: list[str] = []
        self.failed_requests = 0

    def join(self) -> None:
        project = Project(self._folder)
        for name in RIGHT:
            add_user(project, name, "annotator", by="play")
            self._tokens[name] = make_token(project, name, ["tasks"], days=None, by="play")[1]

    def label(self, round: int, server: Server, *, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Everybody at once, until the round is complete; how many answers that took."""
        over = threading.Event()
        people = [
            Annotator(server.port, token, self._answer(RIGHT[name]), think=0.02, batch=5, over=over)
            for name, token in self._tokens.items()
        ]
        for person in people:
            person.start()
        project = Project(self._folder)

        def complete() -> bool:
            if not all(person.is_alive() for person in people):
                raise RuntimeError("an annotator gave up; what was refused is above")
            return bool(completeness(project, round)["complete"])

        try:
            until(lambda: any(person.acknowledged for person in people), "the first answer")
            meanwhile()
            until(complete, f"the labels of round {round}")
        finally:
            over.set()
        for person in people:
            person.join()
            self.acknowledged += person.acknowledged
            self.failed_requests += person.failed
        return sum(len(person.acknowledged) for person in people)

    def _answer(self, right: float) -> Callable[[str, random.Random], str]:
        def answer(item: str, dice: random.Random) -> str:
            true = self._truth[item]
            return true if dice.random() < right else dice.choice([c for c in self._classes if c != true])

        return answer


class Lead:
    """Labels all of the holdout that has no label yet; without it nobody knows what a model is worth."""

    def __init__(self, folder: Path, truth: Mapping[str, str]) -> None:
        self._folder, self._truth = folder, truth
        self._known = dict.fromkeys(("test", "validation"), 0)

    def label(self) -> dict[str, int]:
        """How many of each split were new."""
        snapshot = Project(self._folder).snapshot
        found = {}
        for split, known in self._known.items():
            there = int((snapshot.primary() & (snapshot.splits() == SPLITS.index(split))).sum())
            found[split] = there - known
            if there > known:
                self._label(split, there - known)
                self._known[split] = there
        return found

    def _label(self, split: str, n: int) -> None:
        file = self._folder / f"{split}.csv"
        querist(self._folder, "labels", "export", file, "--holdout", n, "--split", split)
        with file.open(encoding="utf-8", newline="") as rows:
            ids = [row["id"] for row in csv.DictReader(rows)]
        file.write_text("id,label\n" + "".join(f"{id},{self._truth[id]}\n" for id in ids), encoding="utf-8")
        querist(self._folder, "labels", "import", file, "--holdout", "--annotator", "lead")
