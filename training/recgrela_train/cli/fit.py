"""`recgrela-train fit`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, errors, loading, say
from .options import ConfigFile, Settings, Test


def fit(
    config: ConfigFile = None,
    settings: Settings = [],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the run.")] = Path(
        "runs/latest"
    ),
    test: Test = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in the output folder.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the run in the output folder first.")
    ] = False,
    all_events: Annotated[
        bool,
        typer.Option(
            "--all-events",
            help="Hold out no events, like `--set data.split=none`. Implied by --like.",
        ),
    ] = False,
    like: Annotated[
        Path | None,
        typer.Option(
            "--like",
            metavar="RUN",
            help="Repeat a measured run on all events, for production: its settings, for as many "
            "epochs as its best checkpoint.",
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Start from a trained run, with its settings: its items keep their embeddings, "
            "and a new item starts as the mean of the items next to it in the histories.",
        ),
    ] = None,
    freeze: Annotated[
        bool,
        typer.Option(
            "--freeze",
            help="With --from: train only the embeddings of new items. `export` then writes an "
            "overlay for the deployed model, and sessions on devices stay valid.",
        ),
    ] = False,
) -> None:
    """Train on a data set, stop when validation no longer improves, and measure the best model.

    `--set data.source=...` names the data: ml-100k (the default), a file, or a folder or glob of
    files. Formats: RecBole .inter; MovieLens ratings.dat, u.data or ratings.csv; CSV, TSV or
    Parquet with named columns; .txt with one user's item ids per line. All but Parquet may be
    compressed (gzip, bzip2, xz).

    `recgrela-train fit --config training/configs/demo.yaml --output runs/first`

    `recgrela-train fit --resume --output runs/first --set train.max_epochs=80`

    For production (docs/production.md): measure a run first, then repeat it on all events. The
    repetition holds nothing out and measures nothing; its exported file has the metrics of the
    first run.

    `recgrela-train fit --all-events --like runs/first --output runs/production`

    The next day: train only the new items of newer data, and send them to deployed models.

    `recgrela-train fit --from runs/production --freeze -s data.source=newer.csv --output runs/day`

    `torchrun --nproc-per-node=4 -m recgrela_train fit --output runs/four` (docs/distributed.md)
    """
    with loading():
        from ..config import ConfigError
        from ..distributed import is_main
        from ..fitting.checkpoints import best_checkpoint
        from ..fitting.fit import check_folder, config_path
        from ..recommender import Recommender
        from .shared import data_warnings, show

    if all_events:
        settings = [*settings, "data.split=none"]
    console.quiet = not is_main()  # one of the processes prints
    if resume and overwrite:
        raise ConfigError("--resume continues a run and --overwrite deletes it: choose one")
    if freeze and not start_from:
        raise ConfigError("--freeze trains the new items of a trained run: name it with --from RUN")
    sources = {"--resume": resume, "--config": config, "--like": like, "--from": start_from}
    named = [option for option, source in sources.items() if source]
    if len(named) > 1:
        raise ConfigError(
            f"{' and '.join(named)} each name the settings of the run: choose one, and change "
            "settings with --set"
        )
    if not overwrite:
        check_folder(output, resume=resume)
    if like:
        recommender = Recommender.like(like, settings)
    elif start_from:
        recommender = Recommender.update(start_from, settings, freeze=freeze)
    else:
        recommender = Recommender(settings, config=config_path(output) if resume else config)
    try:
        with data_warnings():
            recommender.fit(run=output, resume=resume, overwrite=overwrite)
    except KeyboardInterrupt:
        say(f"interrupted. To continue: recgrela-train fit --resume --output {output}", errors)
        raise typer.Exit(130) from None
    held_out = recommender.config.data.held_out
    if held_out:
        show(recommender.evaluate(), None, test=test)
    else:
        say("trained on all events: nothing is held out, so nothing is measured")
    say(f"best checkpoint: {best_checkpoint(output)}")
    if not test and held_out:
        say(f"test metrics: recgrela-train evaluate {output} --test")
    if recommender.config.model.kind == "grela":
        say(f"to export it: recgrela-train export {output}")
