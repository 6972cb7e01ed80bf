"""Fixtures that every test folder uses."""

from __future__ import annotations

import csv
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Else each worker rewrites every test, and each command that a test starts compiles querist, anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

from querist.pipeline.project import Project, utc_now
from querist.store.ledger import Ledger

sys.dont_write_bytecode = False
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")  # a busy machine is no failure

GOOD = ["great", "lovely", "superb", "charming", "fine", "warm", "clever", "bright"]
BAD = ["awful", "boring", "weak", "stupid", "cheap", "cold", "dull", "empty"]
OTHER = [f"word{i}" for i in range(60)]


def write_reviews(path: Path, n_items: int = 400, *, seed: int = 0, first: int = 0) -> Path:
    """A CSV of short reviews whose class shows in their words, with ids, labels and a context column."""
    rng = np.random.default_rng([seed, first])
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "text", "label", "product"])
        for i in range(first, first + n_items):
            positive = rng.random() < 0.5
            words = [*rng.choice(GOOD if positive else BAD, 2), *rng.choice(OTHER, 6)]
            writer.writerow([f"r{i}", f"{' '.join(words)} {i}", "pos" if positive else "neg", f"p{i % 7}"])
    return path


SETTINGS = """\
[project]
name = "reviews"
seed = 7

[objective]
metric = "accuracy"

[data]
id = "id"
text = ["text"]
label = "label"
context = ["product"]

[splits]
test = 0.2

[seed_set]
size = 20

[learner]
name = "tfidf-logistic"
[learner.encoder_params]
chars = []

[query]
strategy = "kmeans"
batch_size = 10
measures = {entropy = 0.5, margin = 0.5}

[evaluation]
resamples = 100
"""


@pytest.fixture(scope="session")
def make_reviews() -> Callable[..., Path]:
    return write_reviews


@pytest.fixture
def reviews(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "reviews.csv")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project folder with settings and no data yet."""
    path = tmp_path / "project"
    path.mkdir()
    (path / "querist.toml").write_text(SETTINGS, encoding="utf-8")
    return path


@pytest.fixture
def clock() -> Callable[[], datetime]:
    """A clock that goes one second forward at each look."""
    now = [datetime(2026, 1, 1, tzinfo=UTC)]

    def look() -> datetime:
        now[0] += timedelta(seconds=1)
        return now[0]

    return look


@pytest.fixture(scope="session")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Project]:
    """The project that `make` grows in a folder; made once for all tests that ask for this name, and then copied."""
    kept: dict[str, tuple[Path, datetime]] = {}
    base = tmp_path_factory.mktemp("grown")

    def grown(name: str, folder: Path, make: Callable[[], Project], clock: Callable[[], datetime] = utc_now) -> Project:
        if name not in kept:
            make().ledger.close()
            kept[name] = shutil.copytree(folder, base / name), clock()
        source, then = kept[name]
        shutil.copytree(source, folder, dirs_exist_ok=True)
        while clock() < then:  # what comes now is later than what is on record
            pass
        return Project(folder, clock=clock)

    return grown


@pytest.fixture
def data_folder() -> Path:
    """The folder of larger real data sets, from QUERIST_DATA."""
    path = os.environ.get("QUERIST_DATA")
    if not path or not Path(path).is_dir():
        pytest.skip("QUERIST_DATA names no folder of data sets")
    return Path(path)


@pytest.fixture(params=["sqlite", "postgres"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A fresh ledger, once on each database."""
    url = f"sqlite:///{tmp_path}/ledger.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    opened = Ledger(url)
    yield opened
    opened.close()


@pytest.fixture
def postgres(postgres_server: str) -> str:
    """The URL of a fresh PostgreSQL database."""
    from sqlalchemy import create_engine, text

    name = f"test_{uuid4().hex}"
    admin = create_engine(postgres_server, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return f"{postgres_server.rsplit('/', 1)[0]}/{name}"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """The URL of a PostgreSQL server of our own on a free port of the loopback interface."""
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    found = shutil.which("initdb") or next(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), None)
    if found is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    bin_ = Path(found).parent
    # PostgreSQL refuses to run as root.
    user = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    base = Path(tempfile.mkdtemp(prefix="querist-pg-"))
    if user:
        shutil.chown(base, "nobody", "nogroup")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = base / "data"
    subprocess.run(
        [*user, bin_ / "initdb", "-D", data, "-U", "querist", "-A", "trust", "-E", "UTF8"],
        check=True,
        capture_output=True,
        cwd=base,
    )
    options = f"-c listen_addresses=127.0.0.1 -c port={port} -c unix_socket_directories={base} -c fsync=off"
    subprocess.run(
        [*user, bin_ / "pg_ctl", "-D", data, "-o", options, "-l", base / "log", "-w", "start"],
        check=True,
        capture_output=True,
        cwd=base,
    )
    try:
        yield f"postgresql+psycopg://querist@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run(
            [*user, bin_ / "pg_ctl", "-D", data, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=base
        )
        shutil.rmtree(base, ignore_errors=True)
