"""`recgrela-train export`."""

from pathlib import Path
from typing import Annotated

import typer

from ..export.weight_types import MatrixType, TableType
from .console import console, say
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
        TableType, typer.Option(help="Type of the item table, which is also the input embedding.")
    ] = TableType.F32,
    matrices: Annotated[
        MatrixType, typer.Option(help="Type of the weights of all Linear layers.")
    ] = MatrixType.F32,
    max_ndcg_drop: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="LOSS",
            help="Write nothing if rounding lowers validation NDCG@10 by more than this.",
        ),
    ] = None,
    settings: MeasurementSettings = [],
) -> None:
    """Write the model to one file for the engine, and verify it there if `recgrela` is installed.

    If weights are rounded, validation NDCG@10 is measured before and after rounding. This needs
    the data that the run was trained on (`--set data.source=FILE` if it has moved).

    `recgrela-train export runs/first`

    `recgrela-train export runs/first --table int8 --matrices f16 --max-ndcg-drop 0.002`
    """
    from ..config import ConfigError
    from ..data import DataError
    from ..export.model_file import ExportError, check_exportable, export_path, export_verified
    from ..export.rounding_loss import rounding_loss
    from ..fitting.checkpoints import checkpoint_file, load_checkpoint
    from ..fitting.measure import measurement_config, other_data
    from ..fitting.production import exported_card
    from .shared import check_held_out, read_data, warn

    target = export_path(checkpoint, output)
    trained = load_checkpoint(checkpoint_file(checkpoint))
    model = check_exportable(trained.model)
    if target.resolve() == trained.path.resolve():
        raise ExportError(f"--output {output} is the checkpoint itself: choose another file")
    config = measurement_config(trained, settings)
    if (table, matrices) != (TableType.F32, MatrixType.F32):
        try:
            check_held_out(config)
            dataset = read_data(config, trained.item_ids)
            warn(other_data(trained, config, dataset))
        except (ConfigError, DataError, OSError) as error:
            why = str(error)
            if not isinstance(error, ConfigError):
                why += "\nname the data of the run with --set data.source=FILE"
            if max_ndcg_drop is not None:
                raise ExportError(f"--max-ndcg-drop needs a measurement: {why}") from None
            warn(f"the loss by rounding was not measured: {why}")
        else:
            with console.status("measuring the loss by rounding"):
                loss = rounding_loss(model, dataset, config.evaluate, table, matrices)
            say(f"{loss} with {table} table and {matrices} matrices ({-loss.value:+.5f})")
            loss.check(max_ndcg_drop)
    card = exported_card(trained)
    with console.status("exporting"):
        done = export_verified(model, trained.item_ids, target, table, matrices, card)
    size = f"{done.size / 2**20:.2f} MiB"
    if done.size < done.size_in_f32:
        size += f" ({done.size_in_f32 / 2**20:.2f} MiB in f32)"
    say(f"wrote {target}, {size}, {model.num_items:,} items")
    say(done.verification)
    if card is None:
        say("no metrics in the file: this checkpoint is not the best of a measured run")
    else:
        say(f"with the metrics of its run: recgrela inspect {target}")
