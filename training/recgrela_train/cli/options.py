"""Arguments and options that several subcommands of `recgrela-train` have."""

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change one setting, such as `train.learning_rate=0.002`; may be repeated. "
        "`recgrela-train settings` lists them.",
    ),
]
MeasurementSettings = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change how to measure, such as `evaluate.exclude_seen=history`: one of `data.*`, "
        "`evaluate.*` and `train.accelerator`; may be repeated.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="YAML file of settings; what it leaves out keeps its default."
    ),
]
Only = Annotated[
    list[str],
    typer.Option(
        "--only", metavar="NAME", help="Only this variant beside the first one; may be repeated."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", metavar="N", min=1, help="Train each network with seeds seed, seed+1, ...: N."
    ),
]
StudyFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder of the runs and the table.")
]
Test = Annotated[
    bool, typer.Option("--test", help="Print test metrics too, not validation metrics alone.")
]
Checkpoint = Annotated[
    Path,
    typer.Argument(help="A checkpoint, or a run's folder for its best one.", metavar="RUN|CKPT"),
]
