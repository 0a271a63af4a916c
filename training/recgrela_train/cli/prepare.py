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
    """Read and sort a large data set once; runs then memory-map the result.

    Use the folder as `data.source`, with the same `data.ties` and `data.tie_seed`. Any
    `data.split` and `data.min_events` will do.

    `recgrela-train prepare prepared -s data.source=events.parquet`

    `recgrela-train fit -s data.source=prepared`
    """
    from ..config import load_config
    from ..data import check_folder, load_histories, write_prepared
    from .shared import data_warnings

    chosen = load_config(config, settings)
    check_folder(output)
    with data_warnings():
        histories = load_histories(chosen.data)
    write_prepared(histories, chosen.data, output)
    say(f"wrote {output}: use it with --set data.source={output}")
