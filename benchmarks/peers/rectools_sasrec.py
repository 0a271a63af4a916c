"""RecTools' SASRec, and eSASRec: the same with LiGR layers and a sampled softmax.

Settings are the arguments of `SASRecModel`; `ligr` chooses the layers. `python -m benchmarks.peers`
runs this in the environment of `requirements-rectools.txt`.
"""

from typing import Self

import numpy as np
import pandas as pd
import pytorch_lightning
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from rectools import Columns
from rectools.dataset import Dataset
from rectools.models import SASRecModel
from rectools.models.nn.transformers.ligr import LiGRLayers

from .exchange import Answer, Histories
from .training import Task, Training, read_task

MAX_EPOCHS = 300
ROWS = 256  # users scored at a time


class Validation(Callback):
    """Validates after each epoch, and stops the trainer."""

    training: Training

    def __init__(self, task: Task):
        self._task = task
        self.model: SASRecModel

    def __deepcopy__(self, memo: dict) -> Self:
        """The same object: RecTools trains with a copy of its trainer."""
        return self

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Called once the network exists."""
        self.training = Training(self._task, module.torch_model, self._encode)

    def on_train_batch_end(self, trainer: Trainer, *_: object) -> None:
        """Ends the epoch when the budget is used up."""
        trainer.should_stop |= self.training.out_of_time()

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Validates."""
        trainer.should_stop |= self.training.end_epoch()
        module.train()

    def _encode(self, histories: Histories) -> Answer:
        num_items = self._task.split.num_items
        ids = self.model.data_preparator.item_id_map
        index = np.zeros(num_items + 1, dtype=np.int64)  # the padding is 0 there too
        trained = self.model.data_preparator.get_known_item_ids().astype(np.int64)
        index[trained] = ids.convert_to_internal(trained)
        length = self.model.session_max_len
        rows = np.zeros((len(histories), length), dtype=np.int64)
        for row, events in zip(rows, histories.last(length, index), strict=True):
            row[length - len(events) :] = events
        batches = [{"x": part} for part in torch.from_numpy(rows).split(ROWS)]
        users, items = self.model.lightning_model._get_user_item_embeddings(batches, "cpu")
        places = torch.from_numpy(index[1:])
        return Answer(users, items[places], places > 0)


def interactions(train: Histories) -> Dataset:
    """The training part; the time of an event is its position in the user's history."""
    lengths = np.diff(train.offsets)
    position = np.arange(len(train.items)) - np.repeat(train.offsets[:-1], lengths)
    table = {
        Columns.User: np.repeat(np.arange(len(train)), lengths),
        Columns.Item: train.items,
        Columns.Weight: 1.0,
        Columns.Datetime: pd.to_datetime(position, unit="s"),
    }
    return Dataset.construct(pd.DataFrame(table))


def main() -> None:
    """Train and write the result."""
    task = read_task()
    pytorch_lightning.seed_everything(task.seed, verbose=False)
    validation = Validation(task)

    def trainer() -> Trainer:
        return Trainer(
            accelerator="cpu",
            max_epochs=MAX_EPOCHS,
            callbacks=[validation],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )

    settings = dict(task.settings)
    if settings.pop("ligr", False):
        settings["transformer_layers_type"] = LiGRLayers
    validation.model = SASRecModel(**settings, get_trainer_func=trainer)
    validation.model.fit(interactions(task.split.train))
    validation.training.finish("rectools", "pytorch-lightning")


if __name__ == "__main__":
    main()
