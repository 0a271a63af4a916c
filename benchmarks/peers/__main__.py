"""Compares recgrela with the libraries that a user would pick instead, in one run.

Every contender trains on the training part of one split, on one thread, within the same budget of
CPU time (so that a busy machine favours nobody), and picks its epoch by validation NDCG@10. Its
scores of the test users are ranked by this project's evaluation, which excludes seen items as the
config says. Finished contenders are skipped, so the command can be repeated. `make peers` runs it.
"""

import argparse
import sys
from pathlib import Path

from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from rich.console import Console

from ..models import BenchmarkError
from .contenders import CONTENDERS
from .contest import Contest, finished, prepare, read_result, run
from .table import print_table, write


def main(arguments: list[str] | None = None) -> int:
    """Run the contenders and print the table; return exit status 1 if one of them failed."""
    options = _parser().parse_args(arguments)
    status = 0
    console = Console(stderr=True)
    try:
        settings = [*options.set, "data.split=leave_one_out"]
        config = load_config(options.config, settings)
        contest = Contest(config, options.minutes, options.output, options.environments)
        dataset = load_dataset(config.data)
        prepare(contest, dataset)
    except (BenchmarkError, OSError, ValueError) as error:
        print(f"peers: error: {error}", file=sys.stderr)
        return 1
    for contender in CONTENDERS:
        if contender.name not in options.contenders:
            continue
        done = finished(options.output / contender.name)
        console.print(f"{contender.name}: {'finished' if done else 'training'}", highlight=False)
        try:
            run(contender, contest)
        except BenchmarkError as error:
            print(f"peers: error: {error}", file=sys.stderr)
            status = 1
    results = [
        read_result(contender, contest, dataset)
        for contender in CONTENDERS
        if finished(options.output / contender.name)
    ]
    print_table(results, contest)
    write(options.output / "peers.json", results, contest)
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    names = [contender.name for contender in CONTENDERS]
    parser.add_argument("--config", type=Path, help="YAML of our contender, as for fit")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument(
        "--minutes",
        type=float,
        default=20,
        help="budget of CPU time of each contender (%(default)s)",
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/peers"), help="folder of results (%(default)s)"
    )
    parser.add_argument(
        "--environments", type=Path, default=Path(".peers"),
        help="folder of the other libraries' virtual environments (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--contenders", nargs="+", choices=names, default=names, metavar="NAME",
        help=f"train only these of {', '.join(names)}; the table has all that are finished",
    )  # fmt: skip
    return parser


if __name__ == "__main__":
    sys.exit(main())
