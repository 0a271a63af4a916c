"""`recgrela-train evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console
from .options import Checkpoint, MeasurementSettings, Test


def evaluate(
    checkpoint: Checkpoint,
    settings: MeasurementSettings = [],
    test: Test = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write the metrics of both splits and their confidence intervals to this "
            "JSON file, and the ranks of all targets and each user's recommendations to "
            ".targets.npz beside it.",
        ),
    ] = None,
) -> None:
    """Measure a checkpoint: HR, NDCG and MRR at 5, 10 and 20, ranked among all items.

    Two read-outs are measured: `stream` feeds the model each user's whole history, as in
    deployment; `window` only the last `evaluate.window` events.

    Newer data may be measured too: items that the model does not know count as misses.

    `recgrela-train evaluate runs/first --test --set evaluate.exclude_seen=none`

    `recgrela-train evaluate runs/first --test --set data.source=newer.parquet --set
    data.test_from=2026-11-20`
    """
    from ..device import find_device
    from ..fitting.checkpoints import checkpoint_file, load_checkpoint
    from ..fitting.measure import measure_checkpoint, measurement_config, other_data
    from .shared import check_held_out, read_data, show, warn

    trained = load_checkpoint(checkpoint_file(checkpoint))
    config = measurement_config(trained, settings)
    check_held_out(config)
    device = find_device(config.train.accelerator)
    dataset = read_data(config, trained.item_ids)
    warn(other_data(trained, config, dataset))
    measurement = measure_checkpoint(trained, config, dataset, device, console)
    show(measurement, config, dataset, output, test=test)
