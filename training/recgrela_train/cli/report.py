"""`recgrela-train report`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, loading, say


def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.", metavar="RUN...")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The HTML file; default: report.html in the first run's folder."
        ),
    ] = None,
    titles: Annotated[
        Path | None,
        typer.Option(
            "--titles",
            metavar="FILE",
            help="Item titles for the examples: one item id, a tab and its title per line. "
            "Not needed for ml-100k.",
        ),
    ] = None,
    user_ids: Annotated[
        bool,
        typer.Option("--user-ids", help="Show the ids of the example users, not pseudonyms."),
    ] = False,
) -> None:
    """Write an HTML page about one or more finished runs.

    It shows the data, metrics with confidence intervals beside those of counting baselines, with
    and without seen items, training curves, accuracy by length of history, item and day, popularity
    and coverage of the recommendations, example users, and the latency of an exported run. Each
    further run is compared with the first by paired differences, so all need the same data and the
    same evaluate settings. A folder of `baseline` or of a counting variant of `compare` is a run
    too.

    `recgrela-train report runs/first`

    `recgrela-train report runs/base runs/wide --output comparison.html`
    """
    with loading():
        from ..report import write_report
        from .shared import data_warnings

    path = output or runs[0] / "report.html"
    with console.status("reading the runs"), data_warnings():
        names = write_report(runs, path, titles, user_ids=user_ids)
    say(f"wrote {path}, on {', '.join(names)}")
