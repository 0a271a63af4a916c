"""Functions that subcommands share; imported when a subcommand runs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape

from ..config import Config
from ..data import Dataset, load_dataset
from ..distributed import is_main
from ..evaluation.evaluate import SPLITS, print_by_length, print_metrics
from ..evaluation.measurement import Measurement, write_measurement
from .console import console, errors


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
