"""`recgrela-train export`."""

from pathlib import Path
from typing import Annotated

import typer

from ..export.weight_types import WeightType
from .console import loading, say
from .options import Checkpoint, MeasurementSettings


def export(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write, or a folder for model.safetensors; default: "
            "RUN/model.safetensors, or CKPT with the suffix .safetensors.",
        ),
    ] = None,
    table: Annotated[
        WeightType, typer.Option(help="Type of the item table, which is also the input embedding.")
    ] = WeightType.F32,
    matrices: Annotated[
        WeightType, typer.Option(help="Type of the weights of all Linear layers.")
    ] = WeightType.F32,
    deployed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="For a run of `fit --freeze`: the deployed model file that gets an overlay; "
            "default: model.safetensors of the run that it was trained from.",
        ),
    ] = None,
    max_ndcg_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="LOSS",
            help="Write nothing if rounding lowers validation NDCG@10 by more than this.",
        ),
    ] = None,
    readme: Annotated[
        bool,
        typer.Option(
            help="Write a model card to README.md beside the file, unless there is one that you "
            "have written or edited."
        ),
    ] = True,
    settings: MeasurementSettings = [],
) -> None:
    """Write the model to one file for the engine, and verify it there if `recgrela` is installed.

    If weights are rounded, validation NDCG@10 is measured before and after rounding. This needs
    the data that the run was trained on (`--set data.source=FILE` if it has moved).

    A run of `fit --freeze` has new items for a deployed model: an overlay is written, which
    `scorer.catalog.load` reads (docs/production.md).

    `recgrela-train export runs/first`

    `recgrela-train export runs/first --table int8 --matrices int8 --max-ndcg-drop 0.002`

    `recgrela-train export runs/day --deployed runs/production/model.safetensors`
    """
    with loading():
        from ..export.errors import ExportError
        from ..export.model_file import export_path
        from ..export.readme import readme_path
        from ..recommender import Recommender
        from .shared import data_warnings

    recommender = Recommender.load(checkpoint, settings)
    if recommender.config.train.freeze:
        if (table, matrices) != (WeightType.F32, WeightType.F32):
            raise ExportError("an overlay is float32: omit --table and --matrices")
        target = export_path(checkpoint, output, "overlay")
        overlay = recommender.export_overlay(target, deployed=deployed)
        say(f"wrote {target}, {overlay.items:,} new items for {overlay.deployed}")
        say(overlay.verification)
        return
    if deployed is not None:
        raise ExportError(
            f"--deployed is for an overlay, but {checkpoint} was not trained by fit --freeze: omit "
            "it, or name such a run"
        )
    target = export_path(checkpoint, output)
    with data_warnings():
        done = recommender.export(
            target, table=table, matrices=matrices, max_ndcg_drop=max_ndcg_drop, readme=readme
        )
    size = f"{done.size / 2**20:.2f} MiB"
    if done.size < done.size_in_f32:
        size += f" ({done.size_in_f32 / 2**20:.2f} MiB in f32)"
    say(f"wrote {target}, {size}, {done.items:,} items")
    say(done.verification)
    if done.card is None:
        say("no metrics in the file: this checkpoint is not the best of a measured run")
    else:
        say(f"with the metrics of its run: recgrela inspect {target}")
    if done.readme:
        say(f"wrote {readme_path(target)}, its model card")
    elif readme:
        say(f"kept {readme_path(target)}: export did not write it, or it was edited since")
