"""`recgrela-train baseline`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from .console import loading, say
from .options import ConfigFile, Settings, Test


def baseline(
    kind: Annotated[
        Literal["popularity", "markov"],
        typer.Argument(
            help="popularity: the most frequent items; markov: the items that most often came "
            "right after the last one, ties broken by popularity."
        ),
    ],
    config: ConfigFile = None,
    settings: Settings = [],
    test: Test = False,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.json; default: runs/KIND."),
    ] = None,
) -> None:
    """Measure a counting baseline on the same split and with the same metrics as `fit`.

    `recgrela-train baseline markov --config training/configs/demo.yaml`
    """
    with loading():
        from ..fitting.fit import RunError, config_path
        from ..recommender import Recommender
        from .shared import data_warnings, show

    folder = output or Path("runs", kind)
    if config_path(folder).exists():
        raise RunError(
            f"{folder} holds a trained run, whose metrics would be overwritten: choose another "
            "folder with --output"
        )
    with data_warnings():
        metrics = Recommender(settings, config=config).baseline(kind)
    show(metrics, folder / "metrics.json", test=test)
    say(f"wrote {folder / 'metrics.json'}")
