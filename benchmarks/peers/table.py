"""The table of all contenders, and a JSON file with the same numbers."""

import json
from datetime import date
from pathlib import Path
from typing import Any

from recgrela_train.evaluation.bootstrap import Interval, differences, intervals
from recgrela_train.files import write_atomically
from rich import box
from rich.console import Console
from rich.table import Table

from ..report import machine
from .contenders import OURS
from .contest import Contest, Result

METRICS = ("ndcg@10", "hr@10")
COLUMNS = (
    "contender",
    "NDCG@10",
    "HR@10",
    "NDCG@10 - ours",
    "best epoch",
    "CPU s to best",
    "CPU s in all",
    "peak MiB",
    "parameters",
)


def rows(results: list[Result]) -> list[dict[str, Any]]:
    """The numbers of each contender, ready for JSON."""
    ours = next((result for result in results if result.contender.name == OURS), None)
    table = []
    for result in results:
        row = {"name": result.contender.name, "settings": result.contender.settings}
        row |= {metric: intervals(result.ranks)[metric] for metric in METRICS}
        if ours is not None and result is not ours:
            row["difference"] = differences(result.ranks, ours.ranks)[METRICS[0]]
        table.append(row | result.facts)
    return table


def print_table(results: list[Result], contest: Contest) -> None:
    """Print the table in Markdown."""
    table = Table(box=box.MARKDOWN)
    for column in COLUMNS:
        table.add_column(column, no_wrap=True)
    for result, row in zip(results, rows(results), strict=True):
        cut = ", cut" if row["stopped"] == "budget" else ""
        table.add_row(
            result.contender.label,
            *(_cell(row[metric]) for metric in METRICS),
            _cell(row["difference"], sign="+") if "difference" in row else "-",
            f"{row['best_epoch']} of {row['epochs']}{cut}",
            *(f"{row[key]:,.0f}" for key in ("seconds_to_best", "seconds")),
            f"{row['peak_mib']:,.0f}",
            f"{row['parameters']:,}",
        )
    console = Console(width=250)
    console.print(table)
    console.print(f"cut: stopped by the budget of {contest.minutes:g} CPU minutes", highlight=False)


def write(path: Path, results: list[Result], contest: Contest) -> None:
    """Write the numbers with terms and machine to a JSON file."""
    config = contest.config
    data = {**config.data.model_dump(), "source": Path(config.data.source).name}
    report = {
        "date": date.today().isoformat(),
        "minutes": contest.minutes,
        "threads": 1,
        "config": {**config.model_dump(), "data": data},
        "machine": machine(),
        "results": rows(results),
    }
    write_atomically(path, (json.dumps(report, indent=1) + "\n").encode())


def _cell(interval: Interval, sign: str = "") -> str:
    value, low, high = (f"{number:{sign}.4f}".replace("0.", ".", 1) for number in interval)
    return f"{value} ({low} to {high})"
