"""`recgrela-train evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

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
    user_ids: Annotated[
        bool,
        typer.Option(
            "--user-ids",
            help="Also write the ids of the test users to .targets.npz, which otherwise has only "
            "their indices.",
        ),
    ] = False,
) -> None:
    """Measure a checkpoint: HR, NDCG and MRR at 5, 10 and 20, ranked among all items.

    Two read-outs are measured: `stream` feeds the model each user's whole history, as in
    deployment; `window` only the last `evaluate.window` events.

    Newer data may be measured too: items that the model does not know count as misses.

    `recgrela-train evaluate runs/first --test --set evaluate.exclude_seen=none`

    `recgrela-train evaluate runs/first --test --set data.source=newer.parquet --set
    data.test_from=2026-11-20`
    """
    from ..config import ConfigError
    from ..recommender import Recommender
    from .shared import data_warnings, show

    if user_ids and output is None:
        raise ConfigError("--user-ids adds to the files of --output: name one")
    recommender = Recommender.load(checkpoint, settings)
    with data_warnings():
        metrics = recommender.evaluate()
    show(metrics, output, test=test, user_ids=user_ids)
