"""Runs that differ in the seed alone: mean and spread of their figures, and NDCG@10 by length.

Writes all their figures as one list, each with its seed and config. Intervals are over users, each
of whom counts with the mean of the runs; the spread is the standard deviation over runs.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from recgrela_train.config import Config, changed_settings, parse_config
from recgrela_train.files import write_atomically
from recgrela_train.measurement import Measurement, ndcg_by_length, read_measurement
from rich import box
from rich.console import Console
from rich.table import Table

METRICS = ("hr@10", "ndcg@10", "mrr@10")


def read_runs(runs: list[Path]) -> tuple[list[dict], list[Measurement]]:
    """What `metrics.json` says of each run, and its ranks.

    Raises ValueError if anything but the seed is another, OSError for a run without figures.
    """
    paths = [run / "metrics.json" for run in runs]
    figures = [json.loads(path.read_bytes()) for path in paths]
    measurements = [read_measurement(path) for path in paths]
    configs = [parse_config(each["config"]) for each in figures]
    for run, config, measurement in zip(runs, configs, measurements, strict=True):
        _check_same(runs[0], configs[0], run, config)
        if not np.array_equal(measurement.users, measurements[0].users):
            raise ValueError(f"{run} measured other users than {runs[0]}: their data differ")
    return figures, measurements


def _check_same(first: Path, expected: Config, run: Path, config: Config) -> None:
    for key, before, now in changed_settings(expected, config):
        if key != "seed":
            raise ValueError(
                f"{key} is {before!r} in {first} and {now!r} in {run}, not seeds alone"
            )


def entry(figures: dict) -> dict:
    """A run's line of the list; the data's folder is the reader's own, only its name is kept."""
    config = figures["config"]
    data = {**config["data"], "source": Path(config["data"]["source"]).name}
    return {**figures, "config": {**config, "data": data}, "seed": config["seed"]}


def print_means(console: Console, figures: list[dict]) -> None:
    """Mean and standard deviation over the runs, of each split and read-out."""
    table = Table(title=f"mean and spread of {len(figures)} runs", box=box.SIMPLE)
    for column in ("split", "read-out", *METRICS):
        table.add_column(column, no_wrap=True)
    for split in ("validation", "test"):
        for readout in figures[0][split]:
            values = np.array([[run[split][readout][m] for m in METRICS] for run in figures])
            spread = values.std(0, ddof=1) if len(values) > 1 else np.zeros(len(METRICS))
            cells = [f"{m:.4f} +- {s:.4f}" for m, s in zip(values.mean(0), spread, strict=True)]
            table.add_row(split, readout, *cells)
    console.print(table)


def print_lengths(console: Console, measurements: list[Measurement], window: int) -> None:
    """NDCG@10 on test by length of history, the mean of the runs."""
    ranks = {
        readout: np.stack([m.ranks["test"][readout] for m in measurements])
        for readout in measurements[0].ranks["test"]
    }
    rows = ndcg_by_length(ranks, measurements[0].lengths["test"], window)
    table = Table(title="test NDCG@10 by length of history", box=box.SIMPLE)
    for column in rows[0]:
        table.add_column(column, no_wrap=True, justify="left" if column == "events" else "right")
    for row in rows:
        cells = [row["events"], f"{row['users']:,}", *(f"{row[name][0]:.4f}" for name in ranks)]
        if "stream-window" in row:
            cells.append("{:+.4f} ({:+.4f} to {:+.4f})".format(*row["stream-window"]))
        table.add_row(*cells)
    console.print(table)


def main() -> int:
    """Read, print, and write where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of `fit`")
    parser.add_argument("--output", type=Path, help="write the list of runs to this JSON file")
    options = parser.parse_args()

    figures, measurements = read_runs(options.runs)
    console = Console(width=120)
    print_means(console, figures)
    print_lengths(console, measurements, figures[0]["config"]["evaluate"]["window"])
    if options.output:
        content = json.dumps([entry(run) for run in figures], indent=1) + "\n"
        write_atomically(options.output, content.encode())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
