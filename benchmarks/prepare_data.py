"""Measures `recgrela-train prepare` on synthetic events: time, peak memory, disk, equal bytes.

Each order of files is a folder of links to the same files under other names. `prepare` runs in a
process of its own.
"""

import argparse
import hashlib
import os
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.usage import BIN, measured

SIZES = {"users": 2_000_000, "items": 200_000, "events": 100_000_000, "files": 64}
"""What `recgrela-train synth` makes, unless options say otherwise."""


def make_parser(description: str | None) -> argparse.ArgumentParser:
    """The options of a benchmark on synthetic events."""
    parser = argparse.ArgumentParser(description=description)
    for name, default in SIZES.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--folder", type=Path, help="for temporary files; default: the system's")
    return parser


def synth(folder: Path, options: argparse.Namespace) -> list[object]:
    """The command that makes the events."""
    sizes = [f"--{name}={getattr(options, name)}" for name in SIZES]
    return [BIN / "recgrela-train", "synth", folder, *sizes]


def prepare(folder: Path, source: Path) -> list[object]:
    """The command that prepares a folder of events."""
    return [BIN / "recgrela-train", "prepare", folder, f"--set=data.source={source}"]


def main() -> None:
    """Generates, prepares and compares."""
    parser = make_parser(__doc__)
    parser.add_argument("--orders", type=int, default=2, help="orders of files; default: 2")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        events = Path(scratch, "events")
        measured(synth(events, options), Path(scratch, "synth.json"))
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
    usage = measured(prepare(prepared, folder), scratch / f"order-{order}.json")
    seconds, peak = usage["wall_seconds"], usage["peak_mib"] / 1024
    print(f"prepare: {seconds:.0f} s, peak memory of a process {peak:.2f} GiB", flush=True)
    return {file.name: digest(file) for file in sorted(prepared.glob("*.npy"))}


def digest(file: Path) -> bytes:
    """SHA-256 of a file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").digest()


if __name__ == "__main__":
    main()
