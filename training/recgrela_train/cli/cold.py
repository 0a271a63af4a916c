"""`recgrela-train cold`."""

import sys
from contextlib import nullcontext, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from .console import console, loading, say
from .options import Json, MeasurementSettings


def cold(
    run: Annotated[
        Path,
        typer.Argument(
            help="A run that was trained with features of items (`data.items`), or a checkpoint.",
            metavar="RUN|CKPT",
        ),
    ],
    items: Annotated[
        Path | None,
        typer.Argument(
            help="Parquet or CSV file of items with the columns that the run was trained with. "
            "Items that it knows are skipped. Without a file, the items that the run held out of "
            "training are measured.",
            metavar="[ITEMS]",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="The overlay to write; default: the name of ITEMS with the suffix .overlay.",
        ),
    ] = None,
    deployed: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="The deployed model file that gets the overlay; default: RUN/model.safetensors.",
        ),
    ] = None,
    boost: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=10,
            metavar="FACTOR",
            help="Multiply the vectors of new items, and so their scores: above 1 they are "
            "recommended more often, at the expense of the other items. Measure it on held-out "
            "items.",
        ),
    ] = 1.0,
    settings: MeasurementSettings = [],
    json: Json = False,
) -> None:
    """Recommend items that were never trained, by their features.

    An item's vector is its own embedding plus the sum of its features' embeddings (genre, brand,
    price, a vector of its text). So an item that has only features has a vector too. This command
    writes it to an overlay, which `scorer.catalog.load` reads; sessions on devices stay valid.

    `recgrela-train fit --set data.items=items.parquet --output runs/features`

    `recgrela-train export runs/features`

    `recgrela-train cold runs/features new-items.parquet -o new.overlay`

    To measure such vectors, hold a share of the items out of training. They are compared with
    popularity, a random order and the vectors of the nearest trained items.

    `recgrela-train fit --set data.items=items.parquet --set data.hold_out_items=10% -o runs/cold`

    `recgrela-train cold runs/cold`
    """
    with loading():
        from ..config import ConfigError
        from ..recommender import Recommender
        from .shared import data_warnings, warn

    if items is None and (output or deployed):
        raise ConfigError(
            "--output and --deployed are for an overlay of new items: name their file, as in "
            f"recgrela-train cold {run} ITEMS"
        )
    if items is not None and json:
        raise ConfigError("--json prints the measurement of held-out items: omit it, or the file")
    with redirect_stdout(sys.stderr) if json else nullcontext(), data_warnings():
        recommender = Recommender.load(run, settings)
        if items is None:
            metrics = recommender.measure_cold(boost=boost)
        else:
            target = output or items.with_suffix(".overlay")
            done = recommender.cold_overlay(items, target, deployed=deployed, boost=boost)
    if items is None:
        if json:
            print(metrics.to_json())
        else:
            console.print(*metrics.tables(), sep="\n")
        return
    found = done.items
    if found.featureless:
        warn(f"{items}: {found.featureless:,} new items have no feature that the run knows: "
             "they are left out")  # fmt: skip
    if found.unknown:
        warn(f"{items}: {found.unknown:,} values of new items are unknown to the run: they are "
             "skipped")  # fmt: skip
    known = f"; {found.known:,} of the file are known" if found.known else ""
    say(f"wrote {target}, {len(found.ids):,} new items for {done.overlay.deployed}{known}")
    say(done.overlay.verification)
