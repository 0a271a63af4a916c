"""Arguments and options that subcommands of `recgrela-train` share."""

from pathlib import Path
from typing import Annotated

import typer

Settings = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change one setting, such as `train.learning_rate=0.002`; repeatable. "
        "`recgrela-train settings` lists all settings.",
    ),
]
MeasurementSettings = Annotated[
    list[str],
    typer.Option(
        "--set",
        "-s",
        metavar="KEY=VALUE",
        help="Change a setting of the evaluation, such as `evaluate.exclude_seen=none`; "
        "repeatable. Allowed: `data.*`, `evaluate.*` and `train.accelerator`.",
    ),
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="YAML file of settings; those it omits keep their defaults."
    ),
]
Only = Annotated[
    list[str],
    typer.Option(
        "--only", metavar="NAME", help="Run only the first variant and this one; repeatable."
    ),
]
Seeds = Annotated[
    int,
    typer.Option(
        "--seeds", metavar="N", min=1, help="Train each network N times: seed, seed+1, ..."
    ),
]
StudyFolder = Annotated[
    Path, typer.Option("--output", "-o", help="Folder for the runs and the table.")
]
Test = Annotated[
    bool, typer.Option("--test", help="Print test metrics as well as validation metrics.")
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object instead of tables, and nothing else."),
]
Checkpoint = Annotated[
    Path,
    typer.Argument(
        help="A run's folder (its best checkpoint is used), or a checkpoint.", metavar="RUN|CKPT"
    ),
]
