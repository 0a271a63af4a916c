"""Measures `recgrela-train prepare` on synthetic events: time, peak memory, disk, equal bytes.

Each order of files is a folder of links to the same files under other names. `prepare` runs in a
process of its own.
"""

import argparse
import hashlib
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RECGRELA_TRAIN = [sys.executable, "-m", "recgrela_train"]


def main() -> None:
    """Generates, prepares and compares."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_000_000)
    parser.add_argument("--items", type=int, default=200_000)
    parser.add_argument("--events", type=int, default=100_000_000)
    parser.add_argument("--files", type=int, default=64)
    parser.add_argument("--orders", type=int, default=2, help="orders of files; default: 2")
    parser.add_argument("--folder", type=Path, help="for temporary files; default: the system's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        events = Path(scratch, "events")
        sizes = ("users", "items", "events", "files")
        chosen = [word for name in sizes for word in (f"--{name}", str(getattr(options, name)))]
        run("synth", events, *chosen)
        contents = [measure(events, Path(scratch), order) for order in range(options.orders)]
    if any(content != contents[0] for content in contents):
        sys.exit("the prepared folders differ: expected the same bytes for every order of files")
    print(f"{options.orders} orders of files: the same bytes")


def measure(events: Path, scratch: Path, order: int) -> dict[str, bytes]:
    """Prepares the files in an order, prints time and memory, and returns hashes of the result."""
    folder, prepared = scratch / f"order-{order}", scratch / f"prepared-{order}"
    folder.mkdir()
    files = sorted(events.glob("*.parquet"))
    if order:
        random.Random(order).shuffle(files)
    for number, file in enumerate(files):
        os.link(file, folder / f"{number:05}.parquet")
    start = time.perf_counter()
    run("prepare", prepared, "--set", f"data.source={folder}")
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20  # KiB on Linux
    print(f"prepare: {seconds:.0f} s, peak memory of a process so far {peak:.2f} GiB", flush=True)
    return {file.name: digest(file) for file in sorted(prepared.glob("*.npy"))}


def digest(file: Path) -> bytes:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


def run(*words: object) -> None:
    """Runs `recgrela-train`."""
    subprocess.run([*RECGRELA_TRAIN, *map(str, words)], check=True)


if __name__ == "__main__":
    main()
