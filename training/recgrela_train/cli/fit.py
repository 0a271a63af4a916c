"""`recgrela-train fit`."""

from pathlib import Path
from typing import Annotated

import typer

from .console import console, errors, say
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
) -> None:
    """Train on a data set, stop when validation no longer improves, and measure the best model.

    `--set data.source=...` names the data: ml-100k (the default), or a file. Formats: RecBole
    .inter; MovieLens ratings.dat, u.data or ratings.csv; CSV, TSV or Parquet with named columns;
    .txt with one user's item ids per line. All but Parquet may be compressed (gzip, bzip2, xz).

    `recgrela-train fit --config training/configs/demo.yaml --output runs/first`

    `recgrela-train fit --resume --output runs/first --set train.max_epochs=80`

    `torchrun --nproc-per-node=4 -m recgrela_train fit --output runs/four` (docs/distributed.md)
    """
    from ..config import ConfigError, load_config
    from ..device import find_device
    from ..distributed import is_main
    from ..fitting import fit as fitting
    from ..fitting.checkpoints import load_checkpoint
    from ..fitting.measure import measure_checkpoint
    from .shared import read_data, show

    console.quiet = not is_main()  # one of the processes prints
    if resume and overwrite:
        raise ConfigError("--resume continues a run and --overwrite deletes it: choose one")
    saved = fitting.config_path(output)
    if resume and config is not None:
        raise ConfigError(f"--resume takes its settings from {saved}: omit --config")
    if not overwrite:
        fitting.check_folder(output, resume=resume)
    chosen = load_config(saved if resume else config, settings)
    device = find_device(chosen.train.accelerator)
    dataset = read_data(chosen)
    try:
        best = fitting.fit(
            chosen, dataset, output, resume=resume, overwrite=overwrite, console=console
        )
    except KeyboardInterrupt:
        say(f"interrupted. To continue: recgrela-train fit --resume --output {output}", errors)
        raise typer.Exit(130) from None
    measurement = measure_checkpoint(load_checkpoint(best), chosen, dataset, device, console)
    show(measurement, chosen, dataset, output / "metrics.json", test=test)
    say(f"best checkpoint: {best}")
    if not test:
        say(f"test metrics: recgrela-train evaluate {output} --test")
    if chosen.model.kind == "grela":
        say(f"to export it: recgrela-train export {output}")
