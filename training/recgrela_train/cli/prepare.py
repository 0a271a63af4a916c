"""`recgrela-train prepare`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, say
from .options import ConfigFile, Settings


def prepare(
    output: Annotated[Path, typer.Argument(help="Folder to write.", metavar="FOLDER")],
    config: ConfigFile = None,
    settings: Settings = [],
) -> None:
    """Read and sort a large data set once; runs then memory-map the result.

    Use the folder as `data.source`, with the same `data.ties` and `data.tie_seed`. Any
    `data.split` and `data.min_events` will do.

    `recgrela-train prepare prepared -s data.source=events.parquet`

    `recgrela-train fit -s data.source=prepared`
    """
    from rich.progress import Progress, TaskID

    from ..config import load_config
    from ..data import check_folder, write_prepared
    from .shared import data_warnings

    chosen = load_config(config, settings)
    check_folder(output)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        steps: dict[str, TaskID] = {}

        def advance(step: str, events: int) -> None:
            """Adds a bar for a new step. The first step finds out how many events there are."""
            if step not in steps:
                total = progress.tasks[0].completed if steps else None
                if total:
                    progress.update(progress.tasks[0].id, total=total)
                steps[step] = progress.add_task(step, total=total)
            progress.advance(steps[step], events)

        with data_warnings():
            found = write_prepared(chosen.data, output, advance)
    say(f"wrote {output}, {found['events']:,} events: use it with --set data.source={output}")
