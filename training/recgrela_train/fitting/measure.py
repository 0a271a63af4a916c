"""Evaluation of a checkpoint, on its own or other data."""

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
    """`measure` for a checkpoint. Raises CheckpointError if the data has other items."""
    check_items(trained, dataset)
    return measure(trained.model.to(device), dataset, config.evaluate, console)


def check_items(trained: Checkpoint, dataset: Dataset) -> None:
    """Raises CheckpointError unless the checkpoint can rank the data's items."""
    if list(trained.item_ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{trained.path}: its {len(trained.item_ids):,} items differ from the "
            f"{dataset.num_items:,} items of the data: check data.source and data.min_events"
        )


def other_data(trained: Checkpoint, config: Config, dataset: Dataset) -> str | None:
    """A warning if `dataset`, read by `config`, is not the one that the checkpoint trained on."""
    if trained.data == dataset.fingerprint:
        return None
    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(trained.config, config)
        if key.startswith("data.")
    ]
    return (
        "these are not the histories that the checkpoint was trained on "
        f"({'; '.join(changes) or 'the content of data.source changed'}). It may have been trained "
        "on events held out here. For comparable metrics, keep data.* as it was"
    )
