"""The command `recgrela batch`."""

import argparse
import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .columns import NAMES, ROLES

if TYPE_CHECKING:
    from .batch.one_machine import Progress

NEEDED = ("filelock", "pyarrow", "rich")
LINES = 30.0  # seconds between lines of progress that are not shown on a terminal

DESCRIPTION = """\
Append the events of a day to the state of all users, and recommend items to every user.

EVENTS is a Parquet file or a folder of them, with one row per event, in any order. Its columns are
the user and the item (integers or text), the time (numbers, dates or timestamps) and, if the model
has kinds of events, the kind (text or integers). A model that uses the time between events refuses
numbers, because their unit is unknown.

The first run starts the state folder, with all events so far. Each later run appends the events
that are new since then, and writes recommendations into a new folder. To continue an interrupted
run, even after a power cut, repeat its command. Repeating a complete run changes nothing: no event
is appended twice.
"""
EPILOG = """\
example, the first day and the next:
  recgrela batch events/ --model model.safetensors --state state/ --out recommended/day-1
  recgrela batch today.parquet --model model.safetensors --state state/ --out recommended/day-2

A state belongs to one model. After a retrain, replay all events into a new state folder:
  recgrela batch events/ --model new.safetensors --state state-new/ --out recommended/day-3

OUT has one row per user: user, items (best first) and scores. It is complete when it has a file
_SUCCESS. Read it with pandas.read_parquet or any reader of Parquet folders.
"""


def add_parser(commands: Any) -> None:
    """Adds `batch` to the commands."""
    parser = commands.add_parser(
        "batch",
        help="recommend to all users, from Parquet files of events",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("events", type=Path, help="a Parquet file, or a folder of *.parquet")
    add("--model", type=Path, required=True, help="a file from `recgrela-train export`")
    add("--overlay", type=Path, help="added and retired items, from `recgrela-train export`")
    add("--state", type=Path, required=True, help="folder of all users' states")
    add("--out", type=Path, required=True, help="new folder for the recommendations")
    add("-k", type=positive, default=10, help="items per user (default: %(default)s)")
    add("--include-seen", action="store_true", help="do not exclude items of a user's history")
    add(
        "--only-new", action="store_true",
        help="recommend only to users with new events, not to all users of the state",
    )  # fmt: skip
    add(
        "--unknown", choices=("skip", "error"), default="skip",
        help="events at items that the model does not know: skip and count them, or end with an "
        "error (default: %(default)s)",
    )  # fmt: skip
    add(
        "--late", choices=("error", "skip"), default="error",
        help="events older than the newest one in the state: end with an error, or skip and count "
        "them (default: %(default)s)",
    )  # fmt: skip
    add(
        "--partitions", type=positive,
        help="parts of a new state (default: 64). Each process holds the users of one in memory",
    )  # fmt: skip
    add("--workers", type=positive, help="processes (default: one per CPU)")
    for role, name in zip(ROLES, NAMES, strict=True):
        add(f"--{role}-column", default=name, metavar="NAME",
            help=f"column of the {role} (default: {name})")  # fmt: skip
    add("--kind-column", metavar="NAME",
        help="column of the kind, such as view or buy (default: none; needed if the model has "
        "kinds)")  # fmt: skip
    parser.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"{', '.join(missing)} is not installed: pip install 'recgrela[batch]'")
    from .batch import Choice, ModelFiles, ParquetSource, run

    names = [options.user_column, options.item_column, options.time_column]
    if options.kind_column is not None:
        names.append(options.kind_column)
    choice = Choice(
        k=options.k,
        exclude_seen=not options.include_seen,
        unknown=options.unknown,
        late=options.late,
        only_new=options.only_new,
    )
    started = time.monotonic()
    try:
        files = ModelFiles(options.model, options.overlay)
        source = ParquetSource.survey(options.events, files, names)
        with _progress() as progress:
            done = run(
                source,
                options.state,
                options.out,
                choice,
                partitions=options.partitions,
                workers=options.workers,
                progress=progress,
            )
    except KeyboardInterrupt:
        print("recgrela: interrupted: the same command continues", file=sys.stderr)
        sys.exit(130)
    if done.repeated:
        print(f"these {done.events:,} events are in generation {done.generation} already")
    else:
        print(
            f"generation {done.generation}: {done.appended:,} of {done.events:,} events appended, "
            f"{done.unknown:,} at unknown items and {done.late:,} late ones skipped"
            + (f", {done.included:,} were included before" if done.included else "")
        )
    print(
        f"{options.out}: items for {done.recommended:,} of {done.users:,} users, "
        f"{time.monotonic() - started:.1f} s"
    )


@contextmanager
def _progress() -> "Iterator[Progress]":
    """Bars on a terminal, or else a line from time to time, on standard error."""
    if not sys.stderr.isatty():
        yield _lines()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True)) as bars:
        tasks = dict[str, Any]()

        def show(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done)

        yield show


def _lines() -> "Progress":
    last = -LINES

    def show(step: str, done: int, total: int) -> None:
        nonlocal last
        if done == total or time.monotonic() - last >= LINES:
            last = time.monotonic()
            print(f"{step}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return show


def positive(text: str) -> int:
    """A number of 1 or more, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return value
