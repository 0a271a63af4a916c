"""`recgrela-train report`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, say


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.", metavar="RUN...")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The HTML file; without it RUN/report.html of the first run."
        ),
    ] = None,
    titles: Annotated[
        Path | None,
        typer.Option(
            "--titles",
            metavar="FILE",
            help="Titles for the examples: lines of an item id, a tab and the title. Known data "
            "sets have theirs.",
        ),
    ] = None,
) -> None:
    """Write one HTML page on a run, or on several side by side.

    Curves, metrics with confidence intervals, accuracy by length of history, popularity and
    coverage of what is recommended, example users. Several runs are compared with the first,
    user by user; they need the same histories and the same evaluate settings.

    `recgrela-train report runs/first`

    `recgrela-train report runs/base runs/wide --output comparison.html`
    """
    from ..report import write_report
    from .shared import data_warnings

    path = output or runs[0] / "report.html"
    with console.status("reading the runs"), data_warnings():
        names = write_report(runs, path, titles)
    say(f"wrote {path}, on {', '.join(names)}")
