"""Several processes that train one model: how many, whose part is whose, what they share.

`torchrun` or SLURM's `srun` starts the processes; without them the trainer starts `train.devices`
of them on this machine. docs/distributed.md has the commands.
"""

import os
from typing import Any, NamedTuple

import numpy as np
import torch.distributed
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from torch import Tensor

from .config import ConfigError
from .data import Shard


def is_main() -> bool:
    """Whether this is the process that prints, and writes the run's files."""
    # Known from the import on; the trainer keeps it right.
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
    return rank == 0


class Processes(NamedTuple):
    """How many processes train together."""

    a_node: int
    nodes: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.a_node * self.nodes


def find_processes(devices: int) -> Processes:
    """Those that torchrun or srun started, or `devices` to be started on this machine.

    Raises ConfigError unless srun started `devices` on each machine.
    """
    if TorchElasticEnvironment.detect():
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(here, TorchElasticEnvironment().world_size() // here)
    if not SLURMEnvironment.detect():
        return Processes(devices, 1)
    total = SLURMEnvironment().world_size()
    if total % devices:
        raise ConfigError(
            f"srun started {total} processes, which train.devices={devices} does not divide: set "
            "it to the tasks per node"
        )
    return Processes(devices, total // devices)


def this_shard() -> Shard:
    """The part of every batch that is this process's, once the processes know each other."""
    if not torch.distributed.is_initialized():
        return Shard(0, 1)
    return Shard(torch.distributed.get_rank(), torch.distributed.get_world_size())


def gathered(rows: np.ndarray) -> np.ndarray:
    """The rows of all processes, one process after the other; all get the same."""
    return np.concatenate(_of_all(rows))


def interleaved(rows: Tensor) -> Tensor:
    """The rows of whole batches, on the CPU, of the rows that the processes have of them."""
    return torch.nn.utils.rnn.pad_sequence(_of_all(rows.cpu())).flatten(0, 1)


def own_rows(rows: Tensor) -> Tensor:
    """The opposite of `interleaved`; at least one row."""
    rank, count = this_shard()
    return rows[min(rank, len(rows) - 1) :: count]


def first_process(flag: Tensor) -> int | None:
    """The lowest rank of the processes whose `flag` is True; None where it is on none."""
    rank, count = this_shard()
    first = torch.where(flag, rank, count)
    if count > 1:
        torch.distributed.all_reduce(first, torch.distributed.ReduceOp.MIN)
    return int(first) if first < count else None


def _of_all(part: object) -> list[Any]:
    if not torch.distributed.is_initialized():
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts
