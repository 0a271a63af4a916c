"""RecBole's SASRec and GRU4Rec.

Settings are RecBole's, with the name of the network as `model`. `python -m benchmarks.peers` runs
this in the environment of `requirements-recbole.txt`.
"""

import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from recbole.config import Config
from recbole.data import create_dataset
from recbole.data.dataset import SequentialDataset
from recbole.data.utils import get_dataloader
from recbole.utils import get_model, get_trainer, init_seed
from torch import Tensor

from .exchange import Answer, Histories
from .training import Task, Training, read_task

NAME = "train"  # of the folder and file with the training part
ROWS = 256  # users scored at a time


class OutOfTimeError(Exception):
    """The budget is used up."""


def write_events(train: Histories, folder: Path) -> None:
    """The training part in RecBole's format; a time is the position in the user's history."""
    lengths = np.diff(train.offsets)
    position = np.arange(len(train.items)) - np.repeat(train.offsets[:-1], lengths)
    table = pd.DataFrame(
        {
            "user_id:token": np.repeat(np.arange(len(train)), lengths),
            "item_id:token": train.items,
            "timestamp:float": position,
        }
    )
    (folder / NAME).mkdir(exist_ok=True)
    table.to_csv(folder / NAME / f"{NAME}.inter", sep="\t", index=False)


def configure(task: Task) -> Config:
    """RecBole's defaults, the task's settings, and all events as training part."""
    settings = dict(task.settings)
    own = {
        "data_path": str(task.folder),
        "checkpoint_dir": str(task.folder),
        "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
        "eval_args": {
            "split": {"RS": [1, 0, 0]}, "group_by": "user", "order": "TO", "mode": "full"
        },
        "train_neg_sample_args": None,  # the loss is over all items
        "seed": task.seed,
        "use_gpu": False,
        "state": "WARNING",
    }  # fmt: skip
    del sys.argv[1:]  # RecBole would read them
    return Config(model=settings.pop("model"), dataset=NAME, config_dict=own | settings)


def encoder(network: torch.nn.Module, dataset: SequentialDataset, num_items: int):
    """The function that scores users by the network."""
    index = np.zeros(num_items + 1, dtype=np.int64)  # the padding is 0 there too
    for token, number in dataset.field2token_id[dataset.iid_field].items():
        if number:
            index[int(token)] = number
    length = dataset.max_item_list_len

    @torch.inference_mode()
    def encode(histories: Histories) -> Answer:
        rows = np.zeros((len(histories), length), dtype=np.int64)
        lengths = np.ones(len(histories), dtype=np.int64)  # an empty history is one padding
        for user, events in enumerate(histories.last(length, index)):
            rows[user, : len(events)] = events
            lengths[user] = max(1, len(events))
        network.eval()
        parts = zip(*(torch.from_numpy(x).split(ROWS) for x in (rows, lengths)), strict=True)
        users = torch.cat([network(*part) for part in parts])
        places = torch.from_numpy(index[1:])
        return Answer(users, network.item_embedding.weight[places], places > 0)

    return encode


def main() -> None:
    """Train by RecBole's epochs, and write the result."""
    task = read_task()
    os.chdir(task.folder)  # RecBole writes its logs to the current folder
    write_events(task.split.train, task.folder)
    config = configure(task)
    init_seed(config["seed"], config["reproducibility"])
    dataset, *_ = create_dataset(config).build()
    batches = get_dataloader(config, "train")(config, dataset, None, shuffle=True)
    network = get_model(config["model"])(config, dataset)
    trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, network)
    training = Training(task, network, encoder(network, dataset, task.split.num_items))

    def loss(batch) -> Tensor:
        if training.out_of_time():
            raise OutOfTimeError
        return network.calculate_loss(batch)

    for epoch in range(config["epochs"]):
        try:
            trainer._train_epoch(batches, epoch, loss_func=loss)
        except OutOfTimeError:
            training.end_epoch()
            break
        if training.end_epoch():
            break
    training.finish("recbole")


if __name__ == "__main__":
    main()
