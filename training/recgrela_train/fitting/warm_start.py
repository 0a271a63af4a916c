"""Starting from a trained run, with new items: `fit --from`.

Items are matched by id. Known items keep their embeddings and their Adam moments. The embedding
of a new item starts as the mean of the known items that it follows or precedes in the training
events: it is recommended where they are. If the run was trained with features of items, a new item
that has some starts from these.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from ..config import Config, Settings, change_config, changed_settings
from ..data import Dataset
from ..networks.item_embedding import FeatureEmbedding
from ..networks.network import Network
from .checkpoints import Checkpoint, CheckpointError, best_checkpoint, load_checkpoint
from .item_features import FEATURES, TABLE

KINDS = "kinds.weight"


class StartError(ValueError):
    """A run cannot start from another one; the message says why and what to do."""


def start_config(run: Path, settings: Settings, *, freeze: bool) -> Config:
    """The settings of a run that starts from `run`: its own, changed by `settings`.

    Raises StartError for another architecture, CheckpointError and ConfigError.
    """
    trained = load_checkpoint(best_checkpoint(run)).config
    start = [f"train.start_from={run}", f"train.freeze={freeze}"]
    base = change_config(trained, start)
    config = change_config(base, settings)
    for key, old, new in changed_settings(base, config):
        if key.startswith("model.") or key == "data.item_features":
            raise StartError(
                f"{key} is {old!r} in {run} and cannot become {new!r}: its weights would not fit. "
                "Omit the setting, or train a new run without --from"
            )
    return config


def load_start(config: Config) -> Checkpoint | None:
    """The checkpoint that a run of these settings starts from, if any.

    Raises StartError for settings that it does not go with, and CheckpointError.
    """
    if config.train.start_from is None:
        return None
    if config.train.shard_items:
        raise StartError(
            "train.shard_items=True does not go with --from, which reads the moments of the whole "
            "table: set train.shard_items=false"
        )
    try:
        start = load_checkpoint(best_checkpoint(Path(config.train.start_from)))
    except CheckpointError as error:
        raise CheckpointError(f"{error}; this run starts from it (train.start_from)") from None
    if config.data.items is not None and start.features is None:
        raise StartError(
            f"{config.train.start_from} was trained without features of items, so there are none "
            "to start from: omit data.items, or train a new run without --from"
        )
    return start


def check_unseen(start: Checkpoint, config: Config, dataset: Dataset) -> None:
    """Raises StartError if events are held out here that the start may have been trained on."""
    run = config.train.start_from
    if config.data.split == "leave_one_out" and not start.config.data.held_out:
        raise StartError(
            f"{run} was trained on all events, so it knows those that data.split=leave_one_out "
            "holds out, and metrics would be too high: set data.split=none, or data.split=time "
            "with a later data.validation_from"
        )
    until = start.trained_until
    if dataset.cuts and until is not None and dataset.cuts.validation_from <= until:
        raise StartError(
            f"{run} was trained on events from data.validation_from={dataset.cuts.texts()[0]} on, "
            "so metrics would be too high: set a later data.validation_from, or data.split=none"
        )


def load_weights(model: Network, start: Checkpoint, dataset: Dataset) -> None:
    """Copies the weights of a checkpoint whose items and kinds are the first of the data's.

    New kinds start at zero. The start vector of an older version's checkpoint, which has none,
    stays as it is.
    """
    weights = start.model.state_dict()
    if model.start is not None:
        weights.setdefault("start", model.start.detach())
    known = weights[TABLE]
    added = torch.from_numpy(neighbour_means(dataset, known[1:].numpy()))
    features, trained = dataset.item_features, start.features
    if features is not None and trained is not None:
        some = torch.from_numpy(features.some)[len(known) - 1 :]
        vectors = torch.from_numpy(trained.vectors(features))[len(known) - 1 :]
        summed = isinstance(model.embedding, FeatureEmbedding)
        added[some] = 0 if summed else vectors[some]
        if summed:
            known = trained.own
            weights |= {FEATURES + name: w for name, w in trained.sum.state_dict().items()}
    weights[TABLE] = torch.cat([known, added])
    if model.kinds is not None:
        kinds = torch.zeros_like(model.kinds.weight)
        kinds[: len(start.kinds)] = weights.get(KINDS, kinds[:0])
        weights[KINDS] = kinds
    model.load_state_dict(weights)


def neighbour_means(dataset: Dataset, known: np.ndarray) -> np.ndarray:
    """Start embeddings [A, D] of items K+1..K+A, from those of items 1..K, [K, D].

    The mean over all training events next to those of the new item; without any at a known item,
    the mean of all known items.
    """
    after, _ = dataset.train_successors()
    pairs = dataset.items[after - 1], dataset.items[after]
    count = len(known)
    sums = np.zeros((dataset.num_items - count, known.shape[1]), np.float64)
    events = np.zeros(len(sums), np.int64)
    for here, beside in (pairs, pairs[::-1]):
        chosen = (here > count) & (beside <= count)
        rows = here[chosen] - count - 1
        np.add.at(sums, rows, known[beside[chosen] - 1])
        events += np.bincount(rows, minlength=len(sums))
    alone = events == 0
    sums[alone], events[alone] = known.mean(0), 1
    means: np.ndarray = (sums / events[:, None]).astype(np.float32)
    return means


class KeepMoments(Callback):
    """Starts Adam with the moments of a checkpoint.

    A new item's first moment is 0. Its second moment is the mean of those of known items: Adam
    corrects moments by the number of steps, which all rows share, so from 0 its first steps would
    be several times too long. The moments of a run that trained only a part of the weights are not
    used.
    """

    def __init__(self, start: Checkpoint):
        self._path = start.path

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Fills the optimiser's state, except in a resumed run, which has its own."""
        if trainer.global_step:
            return
        content = torch.load(self._path, map_location="cpu", weights_only=True, mmap=True)
        (moments,) = content["optimizer_states"]
        (optimizer,) = trainer.optimizers
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if len(moments["state"]) != len(parameters):
            return
        for number, parameter in enumerate(parameters):
            state: dict[str, Any] = {}
            for name, moment in moments["state"][number].items():
                fresh = None if name == "exp_avg" else moment.mean(0)
                whole = moment if moment.dim() == 0 else _lengthened(moment, parameter, fresh)
                state[name] = whole.clone() if whole.dim() == 0 else whole.to(parameter.device)
            optimizer.state[parameter] = state


def _lengthened(moment: Tensor, parameter: Tensor, fresh: Tensor | None) -> Tensor:
    """A copy of a moment with rows for new items, of zeros or `fresh` [D]."""
    rows = parameter.new_zeros(parameter.shape)
    if fresh is not None and len(moment) < len(rows):
        rows += fresh.to(rows.device)
    rows[: len(moment)] = moment
    return rows
