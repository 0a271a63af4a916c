"""Functions that subcommands share; imported when a subcommand runs."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.markup import escape

from ..config import Config, ConfigError
from ..data import SPLITS, Dataset, Ids, load_dataset
from ..distributed import is_main
from ..evaluation.card import about
from ..evaluation.measurement import Measurement, write_measurement
from ..evaluation.summary import summary
from ..evaluation.tables import print_metrics, print_slices
from .console import console, errors


def read_data(config: Config, vocabulary: Ids | None = None) -> Dataset:
    """Reads the data set of a config and prints its size; see `data.split` for `vocabulary`."""
    with console.status(escape(f"reading {config.data.source}")), data_warnings():
        dataset = load_dataset(config.data, vocabulary)
    size, *parts = dataset.describe()
    for line in (f"{config.data.source}: {size}", *parts):
        console.print(escape(line), highlight=False)
    return dataset


def show(
    measurement: Measurement, config: Config, dataset: Dataset, output: Path | None, *, test: bool
) -> None:
    """Prints validation metrics and, with `test`, test metrics; writes both to `output`."""
    metrics = summary(measurement, config.evaluate.window) | about(dataset)
    splits = [split for split in SPLITS[: 1 + test] if split in measurement.splits]
    if splits:
        print_metrics(console, metrics, config, dataset, splits)
        print_slices(console, metrics, splits[-1])
    if output is not None and is_main():
        write_measurement(output, measurement, metrics, config)


def check_held_out(config: Config) -> None:
    """Raises ConfigError if no events are held out to measure on."""
    if not config.data.held_out:
        raise ConfigError(
            "data.split=none holds out no events, so nothing can be measured: set data.split=time, "
            "and data.source and data.test_from for events after those that were trained on"
        )


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
