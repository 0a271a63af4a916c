"""`recgrela-train evaluate`."""

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from .console import loading
from .options import Checkpoint, Json, MeasurementSettings, Test


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
    json: Json = False,
) -> None:
    """Measure a checkpoint: HR, NDCG and MRR at 5, 10 and 20, ranked among all items.

    Two read-outs are measured: `stream` feeds the model each user's whole history, as in
    deployment; `window` only the last `evaluate.window` events.

    Newer data may be measured too: items that the model does not know count as misses.

    `recgrela-train evaluate runs/first --test --set evaluate.exclude_seen=none`

    `recgrela-train evaluate runs/first --test --set data.source=newer.parquet --set
    data.test_from=2026-11-20`
    """
    with loading():
        from ..config import ConfigError
        from ..recommender import Recommender
        from .shared import data_warnings, show

    if user_ids and output is None:
        raise ConfigError("--user-ids adds to the files of --output: name one")
    with redirect_stdout(sys.stderr) if json else nullcontext(), data_warnings():
        metrics = Recommender.load(checkpoint, settings).evaluate()
    show(metrics, output, test=test, user_ids=user_ids, json=json)
