"""Functions that subcommands share; imported when a subcommand runs."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.markup import escape

from ..config import Config, ConfigError, load_config
from ..data import Dataset, load_dataset
from ..device import find_device
from ..distributed import find_processes, is_main
from ..evaluation.evaluate import SPLITS, print_by_length, print_metrics
from ..evaluation.measurement import Measurement, write_measurement
from ..studies.study import Variant, choose, print_study, run_study, write_study
from .console import console, errors, say


def read_data(config: Config) -> Dataset:
    """Reads the data set of a config and prints its size."""
    with console.status(escape(f"reading {config.data.source}")), data_warnings():
        dataset = load_dataset(config.data)
    console.print(escape(f"{config.data.source}: {dataset.report}"), highlight=False)
    return dataset


def show(
    measurement: Measurement, config: Config, dataset: Dataset, output: Path | None, *, test: bool
) -> None:
    """Prints validation metrics and, with `test`, test metrics; writes both to `output`."""
    metrics = measurement.metrics(config.evaluate.window)
    splits = SPLITS if test else SPLITS[:1]
    print_metrics(console, metrics, config, dataset, splits)
    print_by_length(console, metrics, splits[-1])
    if output is not None and is_main():
        write_measurement(output, measurement, config)


@contextmanager
def data_warnings() -> Iterator[None]:
    """Prints the warnings of the block, in the main process only."""
    with warnings.catch_warnings(record=True) as found:
        yield
    for one in found if is_main() else ():
        warn(str(one.message))


def warn(text: str | None) -> None:
    """Prints a warning, if there is one."""
    if text:
        errors.print(f"[yellow]warning:[/yellow] {escape(text)}", highlight=False, soft_wrap=True)


def study(
    variants_of: Callable[[Config], list[Variant]],
    config: Path | None,
    settings: list[str],
    only: list[str],
    seeds: int,
    output: Path,
) -> None:
    """Trains, measures and shows the variants of a config."""
    chosen = load_config(config, settings)
    if find_processes(chosen.train.devices).total > 1:
        raise ConfigError(
            "a study trains its runs in one process: set train.devices=1, and do not use torchrun"
        )
    variants = choose(variants_of(chosen), only)
    device = find_device(chosen.train.accelerator)
    dataset = read_data(chosen)
    try:
        rows = run_study(variants, dataset, device, output, console, seeds)
    except KeyboardInterrupt:
        say("interrupted. To continue, run the same command again", errors)
        raise typer.Exit(130) from None
    print_study(console, rows, chosen.data.source)
    for path in write_study(rows, output, chosen.data.source):
        say(f"wrote {path}")
