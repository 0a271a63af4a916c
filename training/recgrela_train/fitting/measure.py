"""Evaluation of a checkpoint, on its own or other data."""

import torch
from rich.console import Console

from ..config import (
    Config,
    ConfigError,
    Settings,
    change_config,
    change_measurement,
    changed_settings,
)
from ..data import Dataset
from ..evaluation.evaluate import measure
from ..evaluation.measurement import Measurement
from .checkpoints import Checkpoint, CheckpointError

CUTS = ("data.validation_from", "data.test_from")


def measurement_config(trained: Checkpoint, settings: Settings) -> Config:
    """The config to measure a checkpoint by: that of its run, with the dates of its cuts.

    Shares of the events would be other dates in newer data. `settings` change it, see
    `change_measurement`.
    """
    config = trained.config
    if trained.cuts:
        dates = zip(CUTS, trained.cuts.texts(), strict=True)
        config = change_config(config, [f"{key}={text}" for key, text in dates])
    return change_measurement(config, settings)


def check_held_out(config: Config) -> None:
    """Raises ConfigError if no events are held out to measure on."""
    if not config.data.held_out:
        raise ConfigError(
            "data.split=none holds out no events, so nothing can be measured: set data.split=time, "
            "and data.source and data.test_from for events after those that were trained on"
        )


def measure_checkpoint(
    trained: Checkpoint, config: Config, dataset: Dataset, device: torch.device, console: Console
) -> Measurement:
    """`measure` for a checkpoint. `dataset` has its vocabulary, see `data.split`.

    Raises CheckpointError if the data has other items.
    """
    check_items(trained, dataset)
    return measure(trained.model.to(device), dataset, config.evaluate, console)


def check_items(trained: Checkpoint, dataset: Dataset) -> None:
    """Raises CheckpointError unless the checkpoint's items are those of the data."""
    if list(trained.item_ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{trained.path}: its {len(trained.item_ids):,} items differ from the "
            f"{dataset.num_items:,} items of the data: check data.source and data.min_events"
        )


def other_data(trained: Checkpoint, config: Config, dataset: Dataset) -> str | None:
    """A warning if `dataset`, read by `config`, is not the one that the checkpoint trained on.

    None if it is, or if all targets are later than the events that were trained on.
    """
    if trained.data == dataset.fingerprint:
        return None
    if dataset.cuts and trained.trained_until is not None:
        first = dataset.cuts.test_from
        if len(dataset.targets("validation")):
            first = dataset.cuts.validation_from
        if first > trained.trained_until:
            return None
    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(trained.config, config)
        if key.startswith("data.") and key not in CUTS
    ]
    return (
        "these are not the histories that the checkpoint was trained on "
        f"({'; '.join(changes) or 'the content of data.source changed'}). It may have been trained "
        "on events held out here. For comparable metrics, keep data.* as it was"
    )
