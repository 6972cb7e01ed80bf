"""Many annotators at once against one real server, which may be killed at any moment."""

from __future__ import annotations

import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

from annotators import Annotator
from machines import Server

from querist.pipeline.accounts.people import add_user, make_token
from querist.pipeline.project import Project
from querist.store.annotations import list_annotations

SETTINGS = """\
[project]
name = "crowd"
[data]
id = "id"
text = ["text"]
classes = ["pos", "neg"]
[splits]
validation = 0
test = 0
[seed_set]
size = {n}
draw = "random"
[labeling]
overlap = {overlap}
start_rounds = false
[storage]
ledger = "{ledger}"
"""


def make_project(folder: Path, n: int, *, overlap: int, ledger: str = "sqlite:///.querist/ledger.db") -> Project:
    """A project that has asked n items."""
    (folder / "querist.toml").write_text(SETTINGS.format(n=n, overlap=overlap, ledger=ledger))
    rows = "".join(f"r{i},item number {i} says {i * 7919 % 10007}\n" for i in range(n))
    (folder / "items.csv").write_text("id,text\n" + rows)
    project = Project(folder)
    project.ingest(folder / "items.csv")
    assert project.run().missing == n
    return project


def play(
    project: Project,
    n_people: int,
    *,
    kills: int = 0,
    seconds_between: float = 2.0,
    think: float = 0.0,
    batch: int = 20,
) -> dict[str, Any]:
    """All items answered by n people, who take `batch` items at a time and think for about `think` seconds before an
    answer; the server is killed and started again `kills` times in the middle.
    """
    names = [f"p{i}" for i in range(n_people)]
    for name in names:
        add_user(project, name, "annotator", by="test")
    tokens = [make_token(project, name, ["tasks"], days=None, by="test")[1] for name in names]
    server = Server(project.folder)
    server.start()
    people = [
        Annotator(server.port, token, lambda _, dice: dice.choice(["pos", "neg"]), think=think, batch=batch)
        for token in tokens
    ]
    start = time.perf_counter()
    for person in people:
        person.start()
    dice = random.Random(time.time_ns())
    killed = 0
    while any(person.is_alive() for person in people):
        time.sleep(dice.uniform(0.5, 1.5) * seconds_between)
        if killed < kills and any(person.is_alive() for person in people):
            server.kill()
            killed += 1
            server.start()
    seconds = time.perf_counter() - start
    server.kill()
    with project.ledger.begin() as tx:
        made = list_annotations(tx)
    return {
        "seconds": seconds,
        "kills": killed,
        "failed_requests": sum(person.failed for person in people),
        "acknowledged": sum(len(person.times["submit"]) for person in people),
        "answers": Counter(a.item for a in made),
        "pairs": len({(a.item, a.annotator) for a in made}),
        "next": sorted(t for person in people for t in person.times["next"]),
        "submit": sorted(t for person in people for t in person.times["submit"]),
        "both": sorted(sum(pair) for p in people for pair in zip(p.times["next"], p.times["submit"], strict=False)),
    }
