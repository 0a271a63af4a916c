"""Vectors of items that were never trained, by their features: `recgrela-train cold`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console

from ..config import Config, ConfigError, change_config
from ..data import (
    DataError,
    Ids,
    Table,
    joined_ids,
    load_features,
    load_histories,
    new_ids,
    split,
    table_histories,
)
from ..device import find_device
from ..evaluation.cold import ColdMetrics, measure_cold
from .checkpoints import Checkpoint, CheckpointError
from .item_features import TrainedFeatures


class NewItems(NamedTuple):
    """Items that a model does not know, and their vectors by their features."""

    ids: Ids  # [A]
    vectors: np.ndarray  # [A, D]
    known: int  # items of the file that the model knows
    featureless: int  # new items without any feature that the model knows, which are left out
    unknown: int  # categories that the model does not know, which are skipped


def features_of(trained: Checkpoint) -> TrainedFeatures:
    """What the checkpoint knows of features. Raises CheckpointError if it has none."""
    if trained.features is None:
        raise CheckpointError(
            f"{trained.path} was trained without features of items, so new items have no vectors: "
            "train a run with data.items=FILE, one row per item"
        )
    return trained.features


def new_items(trained: Checkpoint, file: str | Path) -> NewItems:
    """The items of a file that the model does not know.

    Raises CheckpointError for a model without features, and DataError for a file that cannot be
    read or has no new items with features.
    """
    features = features_of(trained)
    config = change_config(trained.config, {"data.items": str(file)}).data
    ids, known = new_ids(config, trained.item_ids)
    if not len(ids):
        raise DataError(
            f"{file}: the model knows all of its {known:,} items; expected some that it was not "
            "trained on"
        )
    found = load_features(config, ids, features.columns)
    some = found.some
    if not some.any():
        names = ", ".join(column.name for column in features.columns)
        raise DataError(
            f"{file}: no new item has a value that the model knows, in the columns {names}: are "
            "they spelled as in data.items of the run?"
        )
    chosen = ids[some] if isinstance(ids, np.ndarray) else [ids[i] for i in np.flatnonzero(some)]
    left_out = int(np.count_nonzero(~some))
    return NewItems(chosen, features.vectors(found)[some], known, left_out, found.unknown)


def measure_held_out(
    trained: Checkpoint, config: Config, events: Table | None, console: Console, boost: float
) -> ColdMetrics:
    """`measure_cold` for the items that the run held out of training.

    `config` is that of the measurement. Raises ConfigError for a run without held-out items, and
    DataError if the share was too small for one.
    """
    features = features_of(trained)
    if config.data.hold_out_items is None:
        raise ConfigError(
            f"{trained.path} held no items out of training, so nothing can be measured: train a "
            "run with data.hold_out_items=10%, or name a file of new items"
        )
    data = change_config(config, {"data.hold_out_items": "none"}).data
    with console.status("reading events and items"):
        histories = load_histories(data) if events is None else table_histories(events, data)
        known = set(np.asarray(trained.item_ids).tolist())
        every = split(histories, data).item_ids
        cold = [item for item in np.asarray(every).tolist() if item not in known]
        if not cold:
            raise DataError(
                f"{trained.path} knows every item with at least {data.min_events} training events: "
                f"data.hold_out_items={config.data.hold_out_items} held out none, train a run with "
                "a larger share"
            )
        new: Ids = np.array(cold) if isinstance(every, np.ndarray) else cold
        ids = joined_ids(trained.item_ids, new)
        found = load_features(data, ids, features.columns)
        dataset = split(histories, data, ids, trained.kinds)
    vectors = features.vectors(found)[len(trained.item_ids) :]
    model = trained.model.to(find_device(config.train.accelerator))
    return measure_cold(model, vectors, found, dataset, config.evaluate, console, boost)
