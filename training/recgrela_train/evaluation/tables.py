"""Tables of metrics for the terminal and for notebooks."""

from collections.abc import Iterator, Sequence
from typing import Any

from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..config import Config
from ..data import Dataset, HeldOutSplit
from .measurement import OTHER_EXCLUSION

RANKED = {"none": "all items", "window": "items outside the window", "history": "unseen items"}
"""What is ranked, by evaluate.exclude_seen."""


def metric_tables(
    result: dict[str, Any], config: Config, dataset: Dataset, splits: Sequence[HeldOutSplit]
) -> Iterator[RenderableType]:
    """A line and a table per split, with the settings of the evaluation below the last.

    The deployed read-out also has a column with the other choice of evaluate.exclude_seen.
    """
    chosen = config.evaluate.exclude_seen
    for split in splits:
        readouts, counts = list(result[split]), result["targets"][split]
        yield Text(f"{split}: {_targets(counts)}")
        table = Table(title=escape(f"{config.data.source}, {split}: {dataset.num_items:,} items"))
        table.add_column("metric")
        for readout in readouts:
            table.add_column(f"{readout}\n{RANKED[chosen]}", justify="right")
        table.add_column(f"{readouts[0]}\n{RANKED[OTHER_EXCLUSION[chosen]]}", justify="right")
        columns = [*result[split].values(), result["other_exclusion"][split][readouts[0]]]
        for metric in columns[0]:
            values = [f"{means[metric]:.4f}" for means in columns]
            table.add_row(metric.upper(), *values, end_section=metric.startswith("mrr"))
        if counts["targets"] > counts["users"]:
            for metric in ("hr@10", "ndcg@10"):
                values = [f"{means[metric]:.4f}" for means in result["by_user"][split].values()]
                table.add_row(f"{metric.upper()}, mean per user", *values)
        if split == splits[-1]:
            table.caption = conditions(config, dataset)
        yield table


def _targets(counts: dict[str, Any]) -> str:
    """The targets of a split in words."""
    text = (
        f"{counts['targets']:,} targets of {counts['users']:,} users, {counts['repeated']:.1%} "
        "repeated (already in the history)"
    )
    if counts["unknown"]:
        text += f", {counts['unknown']:.1%} unknown to the model, which count as misses"
    return text


def conditions(config: Config, dataset: Dataset) -> str:
    """The settings of the evaluation, as a phrase."""
    ties: str = config.data.ties
    if ties == "random":
        ties += f", seed {config.data.tie_seed}"
    chosen = config.evaluate.exclude_seen
    sample = ""
    if config.evaluate.max_users is not None:
        sample = f"a random sample of {config.evaluate.max_users:,} users at most; "
    return (
        f"window: last {config.evaluate.window} events, stream: whole history; {sample}"
        f"{RANKED[chosen]} are ranked (exclude_seen={chosen}), a target that is not ranked is a "
        f"miss; ties in time: {ties}; split: {config.data.split}, min_events="
        f"{config.data.min_events}, {dataset.num_users:,} users; score ties count against the model"
    )


def slice_tables(result: dict[str, Any], split: HeldOutSplit) -> Iterator[Table]:
    """NDCG@10 of a split's slices, a table for each way of slicing."""
    for title, rows in result["slices"][split].items():
        table = Table(title=f"NDCG@10 by {title}, {split}")
        readouts = list(result[split])
        both = ["stream - window (95%)"] if len(readouts) > 1 else []
        for column in (title, "targets", *readouts, *both):
            table.add_column(column, justify="left" if column == title else "right")
        for row in rows:
            values = [f"{row[readout][0]:.4f}" for readout in readouts]
            if both:
                values.append("{:+.4f} ({:+.4f}, {:+.4f})".format(*row["stream-window"]))
            table.add_row(row["slice"], f"{row['targets']:,}", *values)
        yield table
