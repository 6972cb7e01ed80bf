"""Rounds of the e-commerce example on all 205,052 reviews: seconds of each step, and the share outside the learner."""

from __future__ import annotations

import os
import re
import tempfile
import time
from pathlib import Path
from statistics import median

from table import Row, print_table

EXAMPLE = Path(__file__).parents[1] / "examples" / "ecommerce_reviews" / "querist.toml"
ROUNDS = 8
BATCH, SEED_SET = 300, 4_000
LEARNER = ("fit", "predict")


def rows() -> list[Row]:
    from querist import Project

    data = os.environ.get("QUERIST_DATA")
    if not data:
        return [Row("a round on the reviews", "not run: QUERIST_DATA names no folder", "")]
    with tempfile.TemporaryDirectory(prefix="querist-bench-") as folder:
        settings = EXAMPLE.read_text(encoding="utf-8")
        enough = re.sub(r"budget_labels = \d+", f"budget_labels = {SEED_SET + ROUNDS * BATCH}", settings)
        (Path(folder) / EXAMPLE.name).write_text(enough, encoding="utf-8")
        project = Project(folder)
        start = time.perf_counter()
        report = project.ingest(Path(data) / "flipkart-reviews" / "reviews.csv.gz")
        ingested = time.perf_counter()
        project.features()
        encoded = time.perf_counter()
        project.run(rounds=ROUNDS, oracle="label")
        rounds = [project.show_round(number)["steps"] for number in range(1, ROUNDS + 1)]
    found = [
        Row(f"ingest, {report.read:,} reviews", f"{ingested - start:.1f} s", ""),
        Row(f"features, {report.added:,} reviews, once", f"{encoded - ingested:.1f} s", ""),
    ]
    steps = [{step["name"]: step for step in steps} for steps in rounds]
    for name in steps[0]:
        whole = median(step[name]["seconds"] for step in steps)
        learner = median(seconds_of_learner(step[name]) for step in steps)
        found.append(Row(f"round, {name}", f"{whole:.2f} s, of it {learner:.2f} s learner", ""))
    whole = median(sum(step["seconds"] for step in steps) for steps in rounds)
    learner = median(sum(map(seconds_of_learner, steps)) for steps in rounds)
    share = median(1 - sum(map(seconds_of_learner, steps)) / sum(s["seconds"] for s in steps) for steps in rounds)
    found.append(Row("round, whole", f"{whole:.2f} s, of it {learner:.2f} s learner", ""))
    found.append(Row("round, share outside the learner", f"{share:.1%}", "< 15 %"))
    return found


def seconds_of_learner(step: dict[str, dict[str, float]]) -> float:
    return sum(step["seconds_by_part"].get(part, 0.0) for part in LEARNER)


if __name__ == "__main__":
    print_table(rows())
