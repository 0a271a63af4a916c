"""Parts of the page that restate metrics.json: the data, both exclusions, and slices."""

from typing import Any

from ..data import Dataset
from ..evaluation.measurement import OTHER_EXCLUSION
from ..evaluation.summary import SLICED
from .charts import interval_chart
from .runs import RunResult

SHORT = {"unknown to the model": "unknown"}  # labels of a chart's axis


def data_rows(run: RunResult, dataset: Dataset) -> list[tuple[str, str]]:
    """Size, dates, cuts, targets and ties of the data."""
    found, data, targets = dataset.report, run.config.data, run.metrics["targets"]["test"]
    rows = [("size", f"{found.after} (before min_events={found.min_events}: {found.before})")]
    if found.dates:
        rows.append(("dates", " to ".join(found.dates)))
    if dataset.cuts:
        start, end = dataset.cuts.texts()
        rows.append(("split", f"by time: validation from {start}, test from {end}"))
    else:
        rows.append(("split", data.split))
    rows += [
        ("test targets", f"{targets['targets']:,} of {targets['users']:,} users"),
        ("repeated targets", f"{targets['repeated']:.1%} are already in the user's history"),
        ("unknown targets", f"{targets['unknown']:.1%} are unknown to the model: misses"),
        (
            "ties in time",
            f"{found.tied:.1%} of events have the time of another of their user "
            f"(data.ties={data.ties})",
        ),
    ]
    return rows


def exclusions(runs: list[RunResult]) -> dict[str, Any]:
    """NDCG@10 and HR@10 of the test split by both choices of evaluate.exclude_seen."""
    chosen: str = runs[0].config.evaluate.exclude_seen
    rows = []
    for run in runs:
        blocks = run.metrics["test"], run.metrics["other_exclusion"]["test"]
        for readout in run.readouts:
            values = [block[readout][m] for block in blocks for m in (SLICED, "hr@10")]
            rows.append((f"{run.name}, {readout}", [f"{value:.4f}" for value in values]))
    names = [
        f"{metric}, exclude_seen={choice}"
        for choice in (chosen, OTHER_EXCLUSION[chosen])
        for metric in ("NDCG@10", "HR@10")
    ]
    repeated = runs[0].metrics["targets"]["test"]["repeated"]
    return {"columns": names, "rows": rows, "repeated": f"{repeated:.1%}"}


def sliced_runs(runs: list[RunResult], title: str) -> dict[str, Any]:
    """A chart and a table per run of NDCG@10 by slices."""
    return {"title": title, "runs": [_sliced(run, title) for run in runs]}


def _sliced(run: RunResult, title: str) -> dict[str, Any]:
    rows = run.metrics["slices"]["test"][title]
    slices = [row for row in rows if "the window" not in row["slice"]]
    chart = interval_chart(
        f"{SLICED.upper()} by {title}, {run.name}",
        title,
        [_short(row["slice"]) for row in slices],
        {readout: [tuple(row[readout]) for row in slices] for readout in run.readouts},
        "{:.3f}".format,
    )
    table = []
    for row in rows:
        cells = [(f"{row[r][0]:.4f}", between(*row[r][1:])) for r in run.readouts]
        if "stream-window" in row:
            value, low, high = row["stream-window"]
            cells.append((f"{value:+.4f}", f"{low:+.4f} to {high:+.4f}"))
        table.append((row["slice"], f"{row['targets']:,}", cells))
    both = ["stream - window"] if "stream-window" in rows[0] else []
    return {"chart": chart, "columns": [title, "targets", *run.readouts, *both], "rows": table}


def between(low: float, high: float) -> str:
    """An interval in words."""
    return f"{low:.4f} to {high:.4f}"


def _short(name: str) -> str:
    """A slice's name as the label of an axis."""
    short = SHORT.get(name, name).replace("under ", "<")
    return short.replace(" or more", "+")
