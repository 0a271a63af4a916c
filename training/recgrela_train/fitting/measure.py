"""Measuring a checkpoint, on data that it may or may not have been trained on."""

import torch
from rich.console import Console

from ..config import Config, changed_settings
from ..data import Dataset
from ..evaluation.evaluate import measure
from ..evaluation.measurement import Measurement
from .checkpoints import Checkpoint, CheckpointError


def measure_checkpoint(
    trained: Checkpoint, config: Config, dataset: Dataset, device: torch.device, console: Console
) -> Measurement:
    """As `measure` does. Raises CheckpointError where the data has other items."""
    check_items(trained, dataset)
    return measure(trained.model.to(device), dataset, config.evaluate, console)


def check_items(trained: Checkpoint, dataset: Dataset) -> None:
    """Raises CheckpointError unless the checkpoint can rank the data's items."""
    if list(trained.item_ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{trained.path}: trained on {len(trained.item_ids):,} items, but the data gives "
            f"{dataset.num_items:,} or others: check data.source and data.min_events"
        )


def other_data(trained: Checkpoint, config: Config, dataset: Dataset) -> str | None:
    """A warning, where `dataset` of `config` is not what the checkpoint was trained on."""
    if trained.data == dataset.fingerprint:
        return None
    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(trained.config, config)
        if key.startswith("data.")
    ]
    return (
        "these are not the histories that the checkpoint was trained on "
        f"({'; '.join(changes) or 'the content of data.source changed'}). It may have learned from "
        "what is held out here: for figures that can be compared, leave data.* as it was"
    )
