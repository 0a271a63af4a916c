"""Times the engine against other runtimes and plain reads of memory, in one run.

Everything runs on one thread, unless its label says otherwise. Contenders are interleaved, so that
a busy machine slows all of them, and medians are compared. Each part is a module of this package
that documents what it times.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import track
from threadpoolctl import threadpool_limits

from . import append, catalogue, event, fleet, history
from .models import BenchmarkError
from .report import Part, print_part, write

PARTS = {
    "event": event,
    "append": append,
    "catalogue": catalogue,
    "history": history,
    "fleet": fleet,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark and return the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1):  # NumPy's BLAS
            parts = run(options.parts, options.rounds)
        write(options.output, parts, options.rounds)
    except (BenchmarkError, OSError) as error:
        print(f"latency: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(names: list[str], rounds: int) -> list[Part]:
    """Run the parts in order, printing each when it is done."""
    done = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            found = PARTS[name].run(Path(folder), rounds, _progress)
        for part in found:
            print_part(part)
        done += found
    return done


def _progress(rounds: range) -> Iterable[int]:
    return track(rounds, "Timing", console=Console(stderr=True), transient=True)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description=__doc__,
        epilog="example: python -m benchmarks.latency --output runs/bench.json --rounds 200",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/bench.json"), metavar="JSON",
        help="output file for results, machine and versions (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=_positive, default=100, metavar="N",
        help="timed blocks per contender (%(default)s), a fifth of it where a call takes "
        "milliseconds; more rounds give more stable medians on a busy machine",
    )  # fmt: skip
    parser.add_argument(
        "--parts", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART",
        help=f"run only these of {', '.join(PARTS)}; the file then has only their results",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"found {text}, expected 1 or more")
    return value


if __name__ == "__main__":
    sys.exit(main())
