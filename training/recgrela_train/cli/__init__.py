"""The `recgrela-train` command: fit, evaluate, compare, prepare, export and report."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ..distributed import is_main
from ..export.weight_types import MatrixType, TableType
from ..options import Checkpoint, ConfigFile, MeasurementSettings, Only, Settings

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
PLAIN = {"highlight": False, "markup": False, "soft_wrap": True}  # a line that names a file


@app.command()
def fit(
    config: ConfigFile = None,
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

    `torchrun --nproc-per-node=4 -m recgrela_train fit --output runs/four` (docs/distributed.md)
    """
    from ..config import ConfigError, load_config
    from ..device import find_device
    from ..fitting.fit import check_folder, config_path
    from ..fitting.fit import fit as train

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
    try:
        best = train(chosen, dataset, output, resume=resume, overwrite=overwrite, console=console)
    except KeyboardInterrupt:
        again = f"recgrela-train fit --resume --output {output}"
        errors.print(f"interrupted: continue with {again}", **PLAIN)
        raise typer.Exit(130) from None
    _measure(best, chosen, dataset, device, output / "metrics.json")
    console.print(f"best checkpoint: {best}", **PLAIN)
    if chosen.model.kind == "grela":
        console.print(f"next: recgrela-train export {output}", **PLAIN)


@app.command()
def evaluate(
    checkpoint: Checkpoint,
    settings: MeasurementSettings = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="Also write the figures to this JSON file, with confidence intervals, and each "
            "user's rank and recommendations beside it (.users.npz).",
        ),
    ] = None,
) -> None:
    """Measure a checkpoint: HR, NDCG and MRR at 5, 10 and 20, full ranking, both read-outs.

    `recgrela-train evaluate runs/first --set evaluate.exclude_seen=history`
    """
    from ..config import change_measurement
    from ..device import find_device
    from ..fitting.training_module import load_checkpoint, read_progress

    path = _checkpoint_path(checkpoint)
    _, saved, _ = load_checkpoint(path)
    config = change_measurement(saved, settings)
    device = find_device(config.train.accelerator)
    dataset = _dataset(config)
    if read_progress(path).data != dataset.fingerprint():
        _warn_of_other_data(saved, config)
    _measure(path, config, dataset, device, output)


@app.command()
def baseline(
    kind: Annotated[
        Literal["popularity", "markov"],
        typer.Argument(
            help="popularity: the most frequent items; markov: what most often came right after "
            "the last item, and then popularity."
        ),
    ],
    config: ConfigFile = None,
    settings: Settings = [],  # noqa: B006
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for metrics.json; without it runs/KIND."),
    ] = None,
) -> None:
    """Measure a model that counts and does not learn, on the split and by the figures of `fit`.

    `recgrela-train baseline markov --config training/configs/demo.yaml`
    """
    from ..config import load_config
    from ..evaluation.counting import COUNTING, measure_counts
    from ..fitting.fit import RunError, config_path

    folder = output or Path("runs", kind)
    if config_path(folder).exists():
        raise RunError(
            f"{folder} holds a trained run, whose figures these would replace: choose another "
            "folder with --output"
        )
    chosen = load_config(config, settings)
    dataset = _dataset(chosen)
    measurement = measure_counts(COUNTING[kind](dataset), dataset, chosen.evaluate, console)
    _show(measurement, chosen, dataset, folder / "metrics.json")
    console.print(f"wrote {folder / 'metrics.json'}", **PLAIN)


@app.command()
def ablate(
    config: ConfigFile = None,
    settings: Settings = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs and the table.")
    ] = Path("runs/ablation"),
) -> None:
    """Train the config with one part left out at a time, and set the results side by side.

    Variants: no-gate, no-local-conv, no-rotary, learned-positions, hydra (as many heads as
    features), no-decay and learned-decay. The same command again passes over what is finished
    and goes on with what is not. It ends with a table, table.json and table.png.

    `recgrela-train ablate --config training/configs/demo.yaml --only no-gate --only hydra`
    """
    from ..studies.study import ablations

    _study(ablations, config, settings, only, output)


@app.command()
def compare(
    config: ConfigFile = None,
    settings: Settings = [],  # noqa: B006
    only: Only = [],  # noqa: B006
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Folder of the runs and the table.")
    ] = Path("runs/comparison"),
) -> None:
    """Train every network with the same config, and set them beside what counting gives.

    Variants: grela, sasrec, gru4rec, popularity and markov. The same command again passes over
    what is finished and goes on with what is not. It ends with a table, table.json and table.png.

    `recgrela-train compare --config training/configs/demo.yaml`
    """
    from ..studies.study import comparison

    _study(comparison, config, settings, only, output)


@app.command()
def export(
    checkpoint: Checkpoint,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The file to write, or a folder for model.safetensors; without it "
            "RUN/model.safetensors, or CKPT with the suffix .safetensors.",
        ),
    ] = None,
    table: Annotated[
        TableType, typer.Option(help="Type of the catalogue's table, the input embedding too.")
    ] = TableType.F32,
    matrices: Annotated[
        MatrixType, typer.Option(help="Type of the weights of all Linear layers.")
    ] = MatrixType.F32,
    max_ndcg_drop: Annotated[
        float | None,
        typer.Option(
            min=0, metavar="LOSS", help="Write nothing if rounding loses more validation NDCG@10."
        ),
    ] = None,
    settings: MeasurementSettings = [],  # noqa: B006
) -> None:
    """Write one file for the engine, and replay it there if `recgrela` is installed.

    Where weights are rounded, NDCG@10 of the validation split is measured before and after on the
    data that the run was trained on (`--set data.source=FILE` if it has moved).

    `recgrela-train export runs/first`

    `recgrela-train export runs/first --table int8 --matrices f16 --max-ndcg-drop 0.002`
    """
    from ..config import change_measurement
    from ..export.model_file import ExportError, check_exportable, export_verified
    from ..export.quantize import ndcg_before_and_after
    from ..fitting.training_module import load_checkpoint

    path = _checkpoint_path(checkpoint)
    target = _export_path(checkpoint, output)
    model, saved, ids = load_checkpoint(path)
    check_exportable(model)
    if target.resolve() == path.resolve():
        raise ExportError(f"--output {output} is the checkpoint itself: name another file")
    config = change_measurement(saved, settings)
    if (table, matrices) != (TableType.F32, MatrixType.F32):
        dataset = _rounding_dataset(path, ids, saved, config, required=max_ndcg_drop is not None)
        if dataset is not None:
            with console.status("measuring what rounding loses"):
                figures = ndcg_before_and_after(model, dataset, config.evaluate, table, matrices)
            _report_drop(*figures, f"{table} table and {matrices} matrices", max_ndcg_drop)
    with console.status("exporting"):
        done = export_verified(model, ids, target, table, matrices)
    size = f"{done.size / 2**20:.2f} MiB"
    if done.size < done.size_in_f32:
        size += f" (in f32 {done.size_in_f32 / 2**20:.2f} MiB)"
    console.print(f"wrote {target}, {size}, {model.num_items:,} items", **PLAIN)
    console.print(done.verification, **PLAIN)


@app.command()
def report(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.", metavar="RUN...")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", help="The HTML file; without it RUN/report.html of the first run."
        ),
    ] = None,
    titles: Annotated[
        Path | None,
        typer.Option(
            "--titles",
            metavar="FILE",
            help="Titles for the examples: lines of an item id, a tab and the title. Known data "
            "sets have theirs.",
        ),
    ] = None,
) -> None:
    """Write one HTML page on a run, or on several side by side.

    Curves, metrics with confidence intervals, accuracy by length of history, popularity and
    coverage of what is recommended, example users. Several runs are compared with the first,
    user by user; they need the same histories and the same evaluate settings.

    `recgrela-train report runs/first`

    `recgrela-train report runs/base runs/wide --output comparison.html`
    """
    from ..report import write_report

    path = output or runs[0] / "report.html"
    with console.status("reading the runs"):
        names = write_report(runs, path, titles)
    console.print(f"wrote {path}, on {', '.join(names)}", **PLAIN)


@app.command()
def prepare(
    output: Annotated[Path, typer.Argument(help="Folder to write.", metavar="FOLDER")],
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML file of settings, as for fit.")
    ] = None,
    settings: Settings = [],  # noqa: B006
) -> None:
    """Read, filter and order a large data set once, for runs that map it from the disk.

    The folder is then the source: events that a step does not touch take no memory. It holds for
    the settings of `data.`.

    `recgrela-train prepare prepared -s data.source=events.parquet`

    `recgrela-train fit -s data.source=prepared`
    """
    from ..config import load_config
    from ..data import write_prepared

    chosen = load_config(config, settings)
    if output.exists() and not output.is_dir():
        raise FileExistsError(f"{output} is a file: name a folder")
    write_prepared(_dataset(chosen), chosen.data, output)
    console.print(f"wrote {output}: use it with --set data.source={output}", **PLAIN)


@app.command("settings")
def list_settings() -> None:
    """List every setting with its default, for YAML files and `--set`."""
    from ..config import describe_settings

    table = Table("key", "default", "meaning", box=None, pad_edge=False)
    for key, default, meaning in describe_settings():
        table.add_row(key, str(default), escape(" ".join(meaning.split())))
    console.print(table)


def _study(variants_of, config: Path | None, settings, only, output: Path) -> None:
    """Train, measure and show the variants of a config."""
    from ..config import ConfigError, load_config
    from ..device import find_device
    from ..distributed import find_processes
    from ..studies.study import choose, print_study, run_study, write_study

    chosen = load_config(config, settings)
    if find_processes(chosen.train.devices).total > 1:
        raise ConfigError(
            "several runs are trained by one process: set train.devices=1, without torchrun"
        )
    variants = choose(variants_of(chosen), only)
    device = find_device(chosen.train.accelerator)
    dataset = _dataset(chosen)
    try:
        rows = run_study(variants, dataset, device, output, console)
    except KeyboardInterrupt:
        errors.print("interrupted: the same command goes on from here")
        raise typer.Exit(130) from None
    print_study(console, rows, chosen.data.source)
    for path in write_study(rows, output, chosen.data.source):
        console.print(f"wrote {path}", **PLAIN)


def _checkpoint_path(path: Path) -> Path:
    from ..fitting.checkpoints import best_checkpoint

    return best_checkpoint(path) if path.is_dir() else path


def _export_path(checkpoint: Path, output: Path | None) -> Path:
    """The file to write: a run's model stands in its folder, a checkpoint's beside it."""
    if output is None and not checkpoint.is_dir():
        return checkpoint.with_suffix(".safetensors")
    place = output or checkpoint
    return place / "model.safetensors" if place.is_dir() else place


def _dataset(config):
    from ..data import load_dataset

    with console.status(escape(f"reading {config.data.source}")):
        dataset = load_dataset(config.data)
    console.print(escape(f"{config.data.source}: {dataset.report}"), highlight=False)
    return dataset


def _warn_of_other_data(saved, config) -> None:
    from ..config import changed_settings

    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(saved, config)
        if key.startswith("data.")
    ]
    errors.print(
        "[yellow]warning:[/yellow] these are not the histories that the checkpoint was trained on "
        f"({escape('; '.join(changes) or 'the content of data.source changed')}). It may have "
        "learned from what is held out here: for figures that can be compared, leave "
        "data.* as it was",
        highlight=False,
        soft_wrap=True,
    )


def _check_items(checkpoint: Path, ids, dataset) -> None:
    from ..fitting.training_module import CheckpointError

    if list(ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{checkpoint}: trained on {len(ids):,} items, but the data gives "
            f"{dataset.num_items:,} or others: check data.source and data.min_events"
        )


def _rounding_dataset(checkpoint: Path, ids, saved, config, *, required: bool):
    """The data to measure rounding on; where there is none, None, or an error if it is required."""
    from ..data import DataError
    from ..export.model_file import ExportError
    from ..fitting.training_module import CheckpointError, read_progress

    try:
        dataset = _dataset(config)
        _check_items(checkpoint, ids, dataset)
        if read_progress(checkpoint).data != dataset.fingerprint():
            _warn_of_other_data(saved, config)
    except (DataError, CheckpointError, OSError) as error:
        hint = "give the data of the run with --set data.source=FILE"
        if required:
            raise ExportError(f"--max-ndcg-drop needs a measurement: {error}\n{hint}") from None
        errors.print(f"warning: what rounding loses was not measured: {error}\n{hint}", **PLAIN)
        return None
    return dataset


def _report_drop(before: float, after: float, rounded: str, limit: float | None) -> None:
    """Print what rounding does to validation NDCG@10; ExportError if it loses over `limit`."""
    from ..export.model_file import ExportError

    console.print(
        f"validation NDCG@10, stream: {before:.5f} as trained, {after:.5f} with {rounded} "
        f"({after - before:+.5f})",
        **PLAIN,
    )
    if limit is not None and not before - after <= limit:
        raise ExportError(
            f"nothing was written: rounding loses {before - after:.5f} of validation NDCG@10, "
            f"--max-ndcg-drop allows {limit}; choose a wider --table or --matrices"
        )


def _measure(checkpoint: Path, config, dataset, device, output: Path | None) -> None:
    from ..evaluation.evaluate import measure
    from ..fitting.training_module import load_checkpoint

    model, _, ids = load_checkpoint(checkpoint)
    _check_items(checkpoint, ids, dataset)
    measurement = measure(model.to(device), dataset, config.evaluate, console)
    _show(measurement, config, dataset, output)


def _show(measurement, config, dataset, output: Path | None) -> None:
    """Print the figures, and write them where `output` names a file."""
    from ..evaluation.evaluate import print_by_length, print_metrics
    from ..evaluation.measurement import write_measurement

    figures = measurement.figures(config.evaluate.window)
    print_metrics(console, figures, config, dataset)
    print_by_length(console, figures)
    if output is not None and is_main():
        write_measurement(output, measurement, config)


def main() -> None:
    """Entry point: what is wrong with the input is one message, not a traceback."""
    console.quiet = not is_main()  # of several processes that train together one talks
    try:
        app()
    except (ValueError, OSError) as error:
        errors.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
