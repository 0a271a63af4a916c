"""The content of the page, rendered by a template to one HTML file.

The page is self-contained: styles and charts are inline, and it has no scripts.
"""

from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from ..config import changed_settings, describe_settings
from ..data import Dataset
from ..evaluation.bootstrap import LEVEL, differences
from ..evaluation.card import METRICS
from ..evaluation.measurement import SplitResult, common_readout
from ..evaluation.summary import SLICED
from ..evaluation.tables import conditions
from ..files import write_atomically
from .baselines import baseline_rows, measure_baselines
from .charts import LOOKS, Chart, bar_chart, interval_chart, line_chart, mark
from .engine import EngineCost, measure_engine
from .examples import examples, load_titles
from .parts import between, data_rows, exclusions, sliced_runs
from .popularity import GROUPS, Lean, PopularityGroups, lean
from .runs import LOSS, NDCG, RunResult, load_histories, load_runs

HERE = Path(__file__).parent


def write_report(
    folders: list[Path], output: Path, titles: Path | None, *, user_ids: bool = False
) -> list[str]:
    """Writes the page about these finished runs; returns their names. Raises ReportError.

    The example users have pseudonyms, unless `user_ids` asks for their ids.
    """
    runs = load_runs(folders)
    dataset = load_histories(runs[0])
    named = load_titles(runs[0].config.data.source, titles)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["mark"] = lambda look: Markup(mark(look))
    environment.filters["picture"] = lambda chart: Markup(chart.svg)
    page = environment.get_template("page.html.jinja").render(
        **_content(runs, dataset, named, user_ids=user_ids),
        css=Markup((HERE / "page.css").read_text("utf-8")),
    )
    write_atomically(output, page.encode())
    return [run.name for run in runs]


def _content(
    runs: list[RunResult], dataset: Dataset, titles: dict[str, str], *, user_ids: bool
) -> dict[str, Any]:
    popularity = PopularityGroups.of_training(dataset)
    readout = common_readout([run.metrics for run in runs])
    leans = {run.name: lean(run.measurement.best[run.readouts[0]], popularity) for run in runs}
    baselines = measure_baselines(dataset, runs[0].config.evaluate, runs[0])
    return {
        "title": ", ".join(run.name for run in runs),
        "source": runs[0].config.data.source,
        "data": data_rows(runs[0], dataset),
        "conditions": conditions(runs[0].config, dataset),
        "level": f"{LEVEL:.0%}",
        "summaries": [_summary(run, leans[run.name]) for run in runs],
        "readout": readout,
        "comparison": [_compared(runs[0], run, readout) for run in runs[1:]],
        "side_by_side": _side_by_side(runs, readout),
        "baselines": _baselines(baselines, runs, readout),
        "metrics": [_metrics(run) for run in runs],
        "exclusions": exclusions(runs),
        "curves": _curves(runs),
        "slices": [sliced_runs(runs, title) for title in runs[0].metrics["slices"]["test"]],
        "popularity": _popularity_chart(popularity, leans),
        "popularity_rows": [_popularity_row(name, here) for name, here in leans.items()],
        "training_top": f"{popularity.by_group()[0]:.1%}",
        "examples": examples(runs, dataset, titles, user_ids=user_ids),
        "user_ids": user_ids,
        "costs": [(run.name, _cost(measure_engine(run.folder, dataset))) for run in runs],
        "settings": _settings(runs),
        "has_titles": bool(titles),
    }


def _summary(run: RunResult, here: Lean) -> dict[str, Any]:
    """The tiles at the top."""
    readout = run.readouts[0]
    values, intervals = run.metrics["test"][readout], run.metrics["intervals"]["test"][readout]
    tiles = [
        (
            f"{metric.upper()}, test, {readout}",
            f"{values[metric]:.4f}",
            between(*intervals[metric]),
        )
        for metric in ("ndcg@10", "hr@10")
    ]
    tiles.append(("Coverage", f"{here.coverage:.1%}", "of the catalogue is in someone's top ten"))
    return {"name": run.name, "tiles": tiles}


def _metrics(run: RunResult) -> dict[str, Any]:
    """All metrics of a run, by split and read-out."""
    splits = [split for split in ("test", "validation") if split in run.measurement.splits]
    columns = [(split, readout) for split in splits for readout in run.readouts]
    rows = []
    for metric in run.metrics["test"][run.readouts[0]]:
        cells = [
            (
                f"{run.metrics[split][readout][metric]:.4f}",
                between(*run.metrics["intervals"][split][readout][metric]),
            )
            for split, readout in columns
        ]
        rows.append((metric.upper(), cells))
    return {"name": run.name, "columns": [f"{s}, {r}" for s, r in columns], "rows": rows}


def _compared(first: RunResult, other: RunResult, readout: str) -> dict[str, Any]:
    """The paired differences between a run and the first one."""
    ours, base = (run.measurement.test.ranks[readout] for run in (other, first))
    found = differences(ours, base, first.measurement.test.users)
    cells = []
    for metric in METRICS:
        value, low, high = found[metric]
        verdict = "better" if low > 0 else "worse" if high < 0 else "not significant"
        cells.append((f"{value:+.4f}", f"{low:+.4f} to {high:+.4f}", verdict))
    return {"name": other.name, "base": first.name, "cells": cells}


def _side_by_side(runs: list[RunResult], readout: str) -> Chart:
    """NDCG of all runs, with intervals."""
    metrics = [metric for metric in runs[0].metrics["test"][readout] if "ndcg" in metric]
    series = {}
    for run in runs:
        values, intervals = (
            part["test"][readout] for part in (run.metrics, run.metrics["intervals"])
        )
        series[run.name] = [(values[metric], *intervals[metric]) for metric in metrics]
    names = [metric.upper() for metric in metrics]
    return interval_chart("NDCG of each run", f"test, {readout}", names, series, "{:.4f}".format)


def _curves(runs: list[RunResult]) -> list[Chart]:
    charts = []
    for tag, title, decimals in ((NDCG, "Validation NDCG@10", 4), (LOSS, "Training loss", 3)):
        series = {run.name: run.curves[tag] for run in runs if len(run.curves.get(tag, []))}
        if series:
            charts.append(line_chart(title, "epoch", series, f"{{:.{decimals}f}}".format))
    return charts


def _baselines(
    baselines: dict[str, SplitResult], runs: list[RunResult], readout: str
) -> dict[str, Any]:
    rows = []
    for row in baseline_rows(baselines, runs, readout):
        cells = [(f"{value:.4f}", between(low, high)) for value, low, high in row["values"]]
        cells += [
            (f"{value:+.4f}", f"{low:+.4f} to {high:+.4f}") for value, low, high in row["ahead"]
        ]
        rows.append((row["name"], cells))
    columns = [metric.upper() for metric in METRICS]
    columns += [f"{run.name} minus it, {SLICED.upper()}" for run in runs]
    return {"columns": columns, "rows": rows}


def _cost(found: EngineCost | str) -> list[tuple[str, str]] | str:
    """The rows of a run's table, or why there is none."""
    if isinstance(found, str):
        return found
    return [
        ("exported file", f"{found.file_bytes / 2**20:.2f} MiB, {found.table} table"),
        ("per-user state", f"{found.state_bytes:,} bytes with seen items"),
        ("per event", f"{found.event_us:.1f} microseconds"),
        ("per top 10", f"{found.list_us:.1f} microseconds"),
        ("measured on", f"one thread, {found.isa}, median over {found.users} users"),
    ]


def _popularity_chart(popularity: PopularityGroups, leans: dict[str, Lean]) -> Chart:
    series = {"training events": popularity.by_group()}
    series |= {name: here.by_group for name, here in leans.items()}
    return bar_chart(
        "Recommendations by popularity of the item",
        "tenths of the catalogue, 1 is the most popular",
        [str(n + 1) for n in range(GROUPS)],
        series,
        "{:.0%}".format,
        [LOOKS - 1, *range(len(leans))],  # runs in their colours, training events in grey
    )


def _popularity_row(name: str, here: Lean) -> list[str]:
    return [name, f"{here.coverage:.1%}", f"{here.by_group[0]:.1%}", f"{here.ten_most:.1%}"]


def _settings(runs: list[RunResult]) -> dict[str, Any]:
    """Every setting of each run; those that differ come first."""
    first = runs[0].config
    differing = {key for run in runs[1:] for key, _, _ in changed_settings(first, run.config)}
    rows = []
    for key, default, _ in describe_settings():
        values = [run.config for run in runs]
        for part in key.split("."):
            values = [getattr(value, part) for value in values]
        rows.append((key, [str(value) for value in values], str(default), key in differing))
    rows.sort(key=lambda row: not row[-1])
    return {"names": [run.name for run in runs], "rows": rows}
