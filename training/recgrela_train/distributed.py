"""Several processes that train one model: how many, whose part is whose, what they share.

`torchrun` starts the processes and says in the environment how many there are; without it the
trainer starts `train.devices` of them on this machine. docs/distributed.md has the commands.
"""

import os
from typing import NamedTuple

import numpy as np
import torch.distributed

from .data import Shard


def local_rank() -> int:
    """The number of this process on its machine."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def is_main() -> bool:
    """Whether this is the process that prints, and writes the run's files."""
    return int(os.environ.get("RANK", local_rank())) == 0


class Processes(NamedTuple):
    """How many processes train together."""

    a_node: int
    nodes: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.a_node * self.nodes


def find_processes(devices: int) -> Processes:
    """Those that torchrun started, or `devices` to be started on this machine."""
    if not torch.distributed.is_torchelastic_launched():
        return Processes(devices, 1)
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    return Processes(here, int(os.environ["WORLD_SIZE"]) // here)


def this_shard() -> Shard:
    """The part of every batch that is this process's, once the processes know each other."""
    if not torch.distributed.is_initialized():
        return Shard(0, 1)
    return Shard(torch.distributed.get_rank(), torch.distributed.get_world_size())


def gathered(rows: np.ndarray) -> np.ndarray:
    """The rows of all processes, one process after the other; all get the same."""
    if not torch.distributed.is_initialized():
        return rows
    parts: list = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, rows)
    return np.concatenate(parts)
