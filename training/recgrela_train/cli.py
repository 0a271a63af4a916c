"""The `recgrela-train` command: fit, evaluate, export, settings."""

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

app = typer.Typer(
    help="Train causal RecGRELA recommenders and export them for the recgrela engine.",
    epilog="A first run: `recgrela-train fit --set train.max_epochs=5`",
    rich_markup_mode="markdown",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
console = Console()
errors = Console(stderr=True)

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
Checkpoint = Annotated[
    Path,
    typer.Argument(help="A checkpoint, or a run's folder for its best one.", metavar="RUN|CKPT"),
]


@app.command()
def fit(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", help="YAML file of settings; what it leaves out keeps its default."
        ),
    ] = None,
    settings: Settings = [],  # noqa: B006 (typer copies it)
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the run.")] = Path(
        "runs/latest"
    ),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue the run in that folder, with its settings.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Delete the run in that folder first.")
    ] = False,
) -> None:
    """Train on a data set, stop when validation no longer improves, and measure the result.

    Data: a RecBole .inter file; MovieLens ratings.dat, u.data or ratings.csv; CSV or Parquet with
    named columns; lines of item ids (.txt, .txt.gz), one user a line; or the name ml-100k.

    `recgrela-train fit --config training/configs/demo.yaml --output runs/first`

    `recgrela-train fit --resume --output runs/first --set train.max_epochs=80`
    """
    from .config import ConfigError, load_config
    from .device import find_device
    from .fit import check_folder, config_path, last_checkpoint, remove_run
    from .fit import fit as train

    if resume and overwrite:
        raise ConfigError("--resume continues a run and --overwrite deletes it: give one of them")
    if resume and config is not None:
        raise ConfigError(
            f"--resume takes its settings from {config_path(output)}: leave out --config"
        )
    if not overwrite:
        check_folder(output, resume=resume)
    chosen = load_config(config_path(output) if resume else config, settings)
    device = find_device(chosen.train.accelerator)
    dataset = _dataset(chosen)
    if overwrite:
        remove_run(output)
    try:
        best = train(chosen, dataset, output, resume=resume, console=console)
    except KeyboardInterrupt:
        saved = last_checkpoint(output).exists()
        hint = f"continue with recgrela-train fit --resume --output {output}"
        errors.print(f"interrupted: {hint if saved else 'no epoch was finished, nothing is saved'}")
        raise typer.Exit(130) from None
    _measure(best, chosen, dataset, device, output / "metrics.json")
    console.print(f"best checkpoint: {best}\nnext: recgrela-train export {output}", highlight=False)


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    settings: Settings = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Also write the figures to this JSON file."),
    ] = None,
) -> None:
    """Measure a checkpoint: HR, NDCG and MRR at 5, 10 and 20, full ranking, both read-outs.

    `recgrela-train evaluate runs/first --set evaluate.mask_seen=true`
    """
    from .config import change_config
    from .device import find_device
    from .module import data_fingerprint, load_checkpoint

    path = _checkpoint_path(checkpoint)
    _, saved, _ = load_checkpoint(path)
    config = change_config(saved, settings)
    device = find_device(config.train.accelerator)
    dataset = _dataset(config)
    if data_fingerprint(path) != dataset.fingerprint():
        _warn_of_other_data(saved, config)
    _measure(path, config, dataset, device, output)


@app.command()
def export(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="The file to write; without it RUN/model.safetensors."),
    ] = None,
    table: Annotated[
        str, typer.Option(help="Type of the catalogue's table: f32, or f16 at half the size.")
    ] = "f32",
) -> None:
    """Write one file for the engine, and replay it there if `recgrela` is installed.

    `recgrela-train export runs/first --table f16`
    """
    from .export import export_model, verify
    from .module import load_checkpoint

    path = _checkpoint_path(checkpoint)
    target = output or (checkpoint if checkpoint.is_dir() else Path()) / "model.safetensors"
    model, _, ids = load_checkpoint(path)
    with console.status("exporting"):
        export_model(model, ids, target, table)
    size = target.stat().st_size
    console.print(
        f"wrote {target}, {size / 2**20:.2f} MiB, {model.num_items:,} items", highlight=False
    )
    console.print(verify(target), highlight=False)


@app.command("settings")
def list_settings() -> None:
    """List every setting with its default, for YAML files and `--set`."""
    from .config import describe_settings

    table = Table("key", "default", "meaning", box=None, pad_edge=False)
    for key, default, meaning in describe_settings():
        table.add_row(key, str(default), escape(" ".join(meaning.split())))
    console.print(table)


def _checkpoint_path(path: Path) -> Path:
    from .fit import best_checkpoint

    return best_checkpoint(path) if path.is_dir() else path


def _dataset(config):
    from .data import load_dataset

    with console.status(f"reading {config.data.source}"):
        dataset = load_dataset(config.data, config.seed)
    console.print(f"{config.data.source}: {dataset.report}", highlight=False)
    return dataset


def _warn_of_other_data(saved, config) -> None:
    from .config import changed_settings

    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(saved, config)
        if key == "seed" or key.startswith("data.")
    ]
    errors.print(
        "[yellow]warning:[/yellow] these are not the histories that the checkpoint was trained on "
        f"({escape('; '.join(changes) or 'the content of data.source changed')}). It may have "
        "learned from what is held out here: for figures that can be compared, leave seed and "
        "data.* as they were",
        highlight=False,
        soft_wrap=True,
    )


def _measure(checkpoint: Path, config, dataset, device, output: Path | None) -> None:
    from .evaluate import evaluate, print_metrics, write_metrics
    from .module import CheckpointError, load_checkpoint

    model, _, ids = load_checkpoint(checkpoint)
    if list(ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{checkpoint}: trained on {len(ids):,} items, but the data gives "
            f"{dataset.num_items:,} or others: check data.source and data.min_events"
        )
    with console.status("measuring"):
        result = evaluate(model.to(device), dataset, config.evaluate)
    print_metrics(console, result, config, dataset)
    if output is not None:
        write_metrics(output, result, config)


def main() -> None:
    """Entry point: what is wrong with the input is one message, not a traceback."""
    try:
        app()
    except (ValueError, OSError) as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
