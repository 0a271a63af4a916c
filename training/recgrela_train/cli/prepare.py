"""`recgrela-train prepare`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import say
from .options import ConfigFile, Settings


def prepare(
    output: Annotated[Path, typer.Argument(help="Folder to write.", metavar="FOLDER")],
    config: ConfigFile = None,
    settings: Settings = [],
) -> None:
    """Read, filter and sort a large data set once; runs then memory-map the result.

    Use the folder as `data.source`, with the same `data.min_events`, `data.ties` and
    `data.tie_seed`.

    `recgrela-train prepare prepared -s data.source=events.parquet`

    `recgrela-train fit -s data.source=prepared`
    """
    from ..config import load_config
    from ..data import check_folder, write_prepared
    from .shared import read_data

    chosen = load_config(config, settings)
    check_folder(output)
    write_prepared(read_data(chosen), chosen.data, output)
    say(f"wrote {output}: use it with --set data.source={output}")
