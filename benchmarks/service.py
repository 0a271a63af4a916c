"""Load on examples/server at a fixed rate, on loopback: `python -m benchmarks.service`.

The service runs on one core, the client on the others. Half of the requests append an event, half
ask for ten recommendations, for users chosen at random. All users have a session before the
measurement, so memory is flat if nothing leaks. An append is answered after its event is on disk,
so its time is bounded below by the disk, whose own time for a write and fdatasync is printed too.
"""

import argparse
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import uvloop
from recgrela import EdgeScorer

from benchmarks.open_loop import Call, OpenLoop
from tests.server.server_process import TOKEN, ServerProcess

WARM_UP_RATE = 500.0
BEHIND = 0.01  # share of the time by which a service that keeps up may end late


def main(arguments: list[str] | None = None) -> int:
    """Measure and print the table; fails if a request failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--rate", type=float, default=1_000, help="requests per second")
    parser.add_argument("--users", type=int, default=5_000)
    parser.add_argument("--model", type=Path, help="default: 3,416 items, 4 layers, random weights")
    parser.add_argument("--store", help="a Redis URL; default: SQLite in a temporary folder")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        model = options.model or _make_model(folder)
        print(f"disk, write and fdatasync of 4 KiB: {_disk(folder)}")
        changes = {"store": options.store} if options.store else {}
        service, client = _cores()
        with ServerProcess(folder, cores=service, model=model, **changes) as server:
            os.sched_setaffinity(0, client)
            try:
                loop, facts = uvloop.run(_measure(server, model, options))
            except ConnectionError as error:
                print(f"error: {error}\n{server.log.read_text()}", file=sys.stderr)
                return 1
    print(_table(loop, options.rate))
    print("\n".join(f"{name}: {value}" for name, value in facts.items()))
    return int(any(kind.errors for kind in loop.kinds.values()))


def _cores() -> tuple[set[int], set[int]]:
    """One core for the service, the others for the client."""
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


def _make_model(folder: Path) -> Path:
    from recgrela_train.export.model_file import export_model

    from benchmarks.models import make_model, model_file

    model = make_model()
    path = model_file(folder, model.num_items, "int8", "f16")
    export_model(model, np.arange(model.num_items), path, table="int8", matrices="f16")
    return path


def _disk(folder: Path) -> str:
    """Percentiles of a durable write, to compare an append with."""
    seconds = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(bytes(4096))
            start = time.perf_counter()
            os.fdatasync(file.fileno())
            seconds.append(time.perf_counter() - start)
    median, late = (1e3 * np.percentile(seconds, level) for level in (50, 99))
    return f"p50 {median:.2f} ms, p99 {late:.2f} ms"


async def _measure(
    server: ServerProcess, model: Path, options: argparse.Namespace
) -> tuple[OpenLoop, dict[str, str]]:
    """Gives every user a session, then sends the load."""
    users = [f"user-{number}" for number in range(options.users)]
    append, recommend = _requests(EdgeScorer.load(model).item_ids)
    warm_up = OpenLoop("127.0.0.1", server.port)
    await warm_up.connect()
    calls = itertools.chain(map(append, users), map(recommend, users))
    await warm_up.run(calls, WARM_UP_RATE)
    warm_up.close()
    loop = OpenLoop("127.0.0.1", server.port)
    await loop.connect()
    process = psutil.Process(server.process.pid)
    before, busy, start = process.memory_info().rss, _busy(process), time.perf_counter()
    choose = random.Random(0)

    def load() -> Iterator[Call]:
        for number in range(int(options.seconds * options.rate)):
            yield (append, recommend)[number % 2](choose.choice(users))

    await loop.run(load(), options.rate)
    seconds, busy = time.perf_counter() - start, _busy(process) - busy
    answers = sum(len(kind.seconds) for kind in loop.kinds.values())
    facts = {
        "service's CPU": f"{busy / seconds:.0%} of one core, {1e3 * busy / answers:.2f} ms per "
        "request",
        "service's memory (RSS)": f"{before / 2**20:.1f} MiB at the start, "
        f"{process.memory_info().rss / 2**20:.1f} MiB at the end",
        "client late by at most": f"{1e3 * loop.late:.1f} ms",
    }
    loop.close()
    return loop, facts


def _busy(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _requests(items: list) -> tuple[Callable[[str], Call], Callable[[str], Call]]:
    """Makers of both kinds of requests."""
    choose = random.Random(1)
    head = f"HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"

    def append(user: str) -> Call:
        body = json.dumps({"items": [choose.choice(items)]})
        fields = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        return Call("append", f"POST /users/{user}/events {head}{fields}{body}".encode(), 201)

    def recommend(user: str) -> Call:
        return Call("recommend", f"GET /users/{user}/recommendations {head}\r\n".encode(), 200)

    return append, recommend


def _table(loop: OpenLoop, rate: float) -> str:
    """The latencies; offered is the rate of the requests, achieved that of the answers."""
    lines = [
        "| request | offered/s | achieved/s "
        "| p50 ms | p90 ms | p99 ms | p99.9 ms | max ms | errors |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    answers = sum(len(kind.seconds) for kind in loop.kinds.values())
    for name, kind in sorted(loop.kinds.items()):
        times = " | ".join(f"{ms:.2f}" for ms in kind.percentiles(50, 90, 99, 99.9, 100))
        share = len(kind.seconds) / answers
        rates = f"{share * rate:.0f} | {len(kind.seconds) / loop.seconds:.0f}"
        lines.append(f"| {name} | {rates} | {times} | {kind.errors} |")
    behind = loop.seconds - answers / rate
    if behind > BEHIND * loop.seconds:
        lines.append(f"The service did not keep up: the last answer came {behind:.1f} s late.")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
