"""`recgrela-train ablate`."""

from pathlib import Path
from typing import Annotated

import typer

from .options import ConfigFile, Only, Settings


def ablate(
    config: ConfigFile = None,
    settings: Settings = [],
    only: Only = [],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs and the table.")
    ] = Path("runs/ablation"),
) -> None:
    """Train the config with one part left out at a time, and set the results side by side.

    Variants: no-gate, no-local-conv, no-rotary, learned-positions, hydra (as many heads as
    features), no-decay and learned-decay. The same command again skips finished runs and resumes
    the others. It ends with a table, table.json and table.png.

    `recgrela-train ablate --config training/configs/demo.yaml --only no-gate --only hydra`
    """
    from ..studies.study import ablations
    from .shared import study

    study(ablations, config, settings, only, output)
