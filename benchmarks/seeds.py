"""Summarises runs that differ only in the seed: mean, standard deviation, NDCG@10 by length.

Can write the metrics of all runs as one list, each with its seed and config. Intervals are over
users, each with the mean of the runs. Standard deviations are over runs.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from recgrela_train.config import Config, changed_settings, parse_config
from recgrela_train.evaluation.measurement import Measurement, read_measurement
from recgrela_train.evaluation.summary import LENGTHS, summary
from recgrela_train.files import write_atomically
from recgrela_train.studies.seeds import mean_of, spread
from rich import box
from rich.console import Console
from rich.table import Table

METRICS = ("hr@10", "ndcg@10", "mrr@10")
COLOURS = {"stream": "#c2410c", "window": "#1d4ed8"}


def read_runs(runs: list[Path]) -> tuple[list[dict], list[Measurement]]:
    """Read each run's `metrics.json` and ranks.

    Raises ValueError if anything but the seed differs, OSError for a run without metrics.
    """
    paths = [run / "metrics.json" for run in runs]
    metrics = [json.loads(path.read_bytes()) for path in paths]
    measurements = [read_measurement(path) for path in paths]
    configs = [parse_config(each["config"]) for each in metrics]
    for run, config, measurement in zip(runs, configs, measurements, strict=True):
        _check_same(runs[0], configs[0], run, config)
        if measurement.data != measurements[0].data:
            raise ValueError(f"{run} was evaluated on other data than {runs[0]}")
    return metrics, measurements


def _check_same(first: Path, expected: Config, run: Path, config: Config) -> None:
    for key, before, now in changed_settings(expected, config):
        if key != "seed":
            raise ValueError(
                f"{key} is {before!r} in {first} and {now!r} in {run}; only seeds may differ"
            )


def entry(metrics: dict) -> dict:
    """A run's entry in the list, with the data's file name instead of its path."""
    config = metrics["config"]
    data = {**config["data"], "source": Path(config["data"]["source"]).name}
    return {**metrics, "config": {**config, "data": data}, "seed": config["seed"]}


def print_means(console: Console, means: dict, deviations: dict, runs: int) -> None:
    """Print mean and standard deviation over runs, by split and read-out."""
    table = Table(title=f"mean and standard deviation of {runs} runs", box=box.SIMPLE)
    for column in ("split", "read-out", *METRICS):
        table.add_column(column, no_wrap=True)
    for split in deviations:
        for readout, mean in means[split].items():
            deviation = deviations[split][readout]
            cells = [f"{mean[metric]:.4f} +- {deviation[metric]:.4f}" for metric in METRICS]
            table.add_row(split, readout, *cells)
    console.print(table)


def print_lengths(console: Console, rows: list[dict]) -> None:
    """Print NDCG@10 by history length, and the difference of the read-outs."""
    table = Table(title="test NDCG@10 by history length", box=box.SIMPLE)
    for column in rows[0]:
        table.add_column(column, no_wrap=True, justify="left" if column == "slice" else "right")
    for row in rows:
        counts = (f"{row[name]:,}" for name in ("targets", "users"))
        cells = [row["slice"], *counts, *(f"{row[name][0]:.4f}" for name in _own(row))]
        if "stream-window" in row:
            cells.append("{:+.4f} ({:+.4f} to {:+.4f})".format(*row["stream-window"]))
        table.add_row(*cells)
    console.print(table)


def draw_lengths(rows: list[dict]) -> Figure:
    """Plot NDCG@10 by history length, with the read-outs side by side."""
    figure = Figure(figsize=(7.5, 4), layout="constrained")
    axes = figure.subplots()
    for number, readout in enumerate(_own(rows[0])):
        value, low, high = np.array([row[readout] for row in rows]).T
        axes.errorbar(
            np.arange(len(rows)) + 0.16 * number, value, yerr=[value - low, high - value],
            fmt="so"[number], color=COLOURS[readout], capsize=3, label=readout,
        )  # fmt: skip
    names = [f"{row['slice'].partition(',')[0]}\n{row['users']:,} users" for row in rows]
    axes.set_xticks(range(len(rows)), names)
    axes.set_xlabel("events in the history")
    axes.set_ylim(bottom=0)
    axes.set_title("Test NDCG@10 by history length, with 95% interval over users", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    axes.legend(frameon=False)
    return figure


def _own(row: dict) -> list[str]:
    """The read-outs of a row."""
    return [readout for readout in COLOURS if readout in row]


def main() -> int:
    """Read, print, and write the requested files."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.seeds", description=__doc__)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of `fit`")
    parser.add_argument("--output", type=Path, help="write the list of runs to this JSON file")
    parser.add_argument(
        "--picture", type=Path, help="plot NDCG@10 by history length into this PNG file"
    )
    options = parser.parse_args()

    metrics, measurements = read_runs(options.runs)
    mean = mean_of(measurements)
    means = summary(mean, metrics[0]["config"]["evaluate"]["window"])
    console = Console(width=120)
    print_means(console, means, spread(mean), len(metrics))
    rows = means["slices"]["test"][LENGTHS]
    print_lengths(console, rows)
    if options.output:
        content = json.dumps([entry(run) for run in metrics], indent=1) + "\n"
        write_atomically(options.output, content.encode())
    if options.picture:
        draw_lengths(rows).savefig(options.picture, dpi=120, metadata={"Software": None})
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (ValueError, OSError) as error:
        sys.exit(f"error: {error}")
