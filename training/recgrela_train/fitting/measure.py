"""Measuring a checkpoint, on data that it may or may not have been trained on."""

from pathlib import Path

import numpy as np
import torch
from rich.console import Console

from ..config import Config, changed_settings
from ..data import Dataset
from ..evaluation.evaluate import measure
from ..evaluation.measurement import Measurement
from .training_module import CheckpointError, load_checkpoint, read_progress


def measure_checkpoint(
    path: Path, config: Config, dataset: Dataset, device: torch.device, console: Console
) -> Measurement:
    """As `measure` does. Raises CheckpointError where the data has other items."""
    model, _, ids = load_checkpoint(path)
    check_items(path, ids, dataset)
    return measure(model.to(device), dataset, config.evaluate, console)


def check_items(path: Path, ids: np.ndarray | list[str], dataset: Dataset) -> None:
    """Raises CheckpointError unless a checkpoint with these item ids can rank the data's items."""
    if list(ids) != list(dataset.item_ids):
        raise CheckpointError(
            f"{path}: trained on {len(ids):,} items, but the data gives "
            f"{dataset.num_items:,} or others: check data.source and data.min_events"
        )


def other_data(path: Path, config: Config, dataset: Dataset) -> str | None:
    """A warning, where `dataset` of `config` is not what the checkpoint was trained on."""
    if read_progress(path).data == dataset.fingerprint:
        return None
    changes = [
        f"{key} was {old}, is {new}"
        for key, old, new in changed_settings(load_checkpoint(path)[1], config)
        if key.startswith("data.")
    ]
    return (
        "these are not the histories that the checkpoint was trained on "
        f"({'; '.join(changes) or 'the content of data.source changed'}). It may have learned from "
        "what is held out here: for figures that can be compared, leave data.* as it was"
    )
