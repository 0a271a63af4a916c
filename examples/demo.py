"""Append one real user's history to the exported model, event by event, as a device would.

`make demo` runs it on the demo's run folder, after training and exporting.
"""

import argparse
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from recgrela import EdgeScorer
from recgrela_train.config import load_config
from recgrela_train.data import item_titles, load_dataset
from rich.console import Console
from rich.table import Table

FILMS = "ml-100k"
LAST_EVENTS = 3
SHOWN = 10


def main() -> None:
    """Append the user's events, and show recommendations before and after the last ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help=f"folder of a run on {FILMS} with model.safetensors")
    parser.add_argument("--user", type=int, help="user id (default: the user with median activity)")
    options = parser.parse_args()

    console = Console(highlight=False)
    config = load_config(options.run / "config.yaml", [])
    if config.data.source != FILMS:
        raise ValueError(
            f"{options.run} was trained on {config.data.source}, expected a run on {FILMS}"
        )
    with warnings.catch_warnings(action="ignore"):  # `fit` has printed them
        dataset = load_dataset(config.data)
    titles = item_titles(FILMS)
    user = _median_user(dataset) if options.user is None else _index(parser, dataset, options.user)
    history = [int(dataset.item_ids[index - 1]) for index in dataset.history(user)]
    scorer = EdgeScorer.load(options.run / "model.safetensors")

    *earlier, target = history  # the last event is the test target
    console.print(
        f"\n[bold]User {dataset.user_ids[user]}[/bold] has seen {len(earlier)} films. "
        f"The last of them, newest last:"
    )
    for item in earlier[-LAST_EVENTS - 3 :]:
        console.print(f"  {titles[item]}")

    times = [_append(scorer, item) for item in earlier[:-LAST_EVENTS]]
    before = scorer.top_k(SHOWN)
    times += [_append(scorer, item) for item in earlier[-LAST_EVENTS:]]
    after = scorer.top_k(SHOWN)

    table = Table(title=f"Recommendations before and after the last {LAST_EVENTS} events")
    table.add_column("rank", justify="right")
    for column in ("before", "after"):
        table.add_column(column, overflow="ellipsis", no_wrap=True, max_width=32)
    for rank, (old, new) in enumerate(zip(before.ids, after.ids, strict=True), 1):
        mark = "[green]" if new not in before.ids else ""
        table.add_row(str(rank), titles[old], mark + titles[new])
    table.caption = "green: new in the top 10"
    console.print(table)

    everything = scorer.top_k(scorer.num_items).ids
    console.print(
        f"The user's true next film was [bold]{titles[target]}[/bold], "
        f"rank {everything.index(target) + 1} of {len(everything):,} unseen films."
        if target in everything
        else f"The user's true next film, {titles[target]}, had been seen before."
    )
    console.print(
        f"One event takes {np.median(times):.0f} us ({scorer.isa}, median, called from Python); "
        f"the whole history is a state of {scorer.state_bytes:,} bytes."
    )


def _append(scorer: EdgeScorer, item: int) -> float:
    """Append one event; return microseconds."""
    started = time.perf_counter_ns()
    scorer.append(item)
    return (time.perf_counter_ns() - started) / 1000


def _median_user(dataset) -> int:
    """The first user with a history of median length."""
    lengths = np.diff(dataset.offsets)
    return int(np.argsort(lengths, kind="stable")[len(lengths) // 2])


def _index(parser: argparse.ArgumentParser, dataset, user: int) -> int:
    found = np.flatnonzero(dataset.user_ids == user)
    if not len(found):
        parser.error(
            f"there is no user {user}; ids range from {min(dataset.user_ids)} to "
            f"{max(dataset.user_ids)}"
        )
    return int(found[0])


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
