"""`recgrela-train compare`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import ConfigFile, Only, Settings


def compare(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs and the table.")
    ] = Path("runs/comparison"),
) -> None:
    """Train every network with the same config, and set them beside the counting baselines.

    Variants: grela, sasrec, gru4rec, popularity and markov. The same command again skips finished
    runs and resumes the others. It ends with a table, table.json and table.png.

    `recgrela-train compare --config training/configs/demo.yaml`
    """
    from ..studies.study import comparison
    from .shared import study

    study(comparison, config, settings, only, output)
