"""Several processes that train one model: their number, their shards and their communication.

`torchrun` or SLURM's `srun` starts the processes. Otherwise the trainer starts `train.devices`
processes on this machine. docs/distributed.md has the commands.
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
    """Whether this is rank 0, which prints and writes the run's files."""
    # Set at import; the trainer updates it.
    rank: int = rank_zero_only.rank  # type: ignore[attr-defined]
    return rank == 0


class Processes(NamedTuple):
    """How many processes train together."""

    per_node: int
    nodes: int

    @property
    def total(self) -> int:
        """The world size."""
        return self.per_node * self.nodes


def find_processes(devices: int) -> Processes:
    """The processes that torchrun or srun started; otherwise `devices` on this machine.

    Raises ConfigError if srun started other than a multiple of `devices`.
    """
    if TorchElasticEnvironment.detect():
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(here, TorchElasticEnvironment().world_size() // here)
    if not SLURMEnvironment.detect():
        return Processes(devices, 1)
    total = SLURMEnvironment().world_size()
    if total % devices:
        raise ConfigError(
            f"srun started {total} processes, not a multiple of train.devices={devices}: set "
            "train.devices to the tasks per node"
        )
    return Processes(devices, total // devices)


def this_shard() -> Shard:
    """This process's shard of every batch; (0, 1) before the process group is initialised."""
    if not torch.distributed.is_initialized():
        return Shard(0, 1)
    return Shard(torch.distributed.get_rank(), torch.distributed.get_world_size())


def gathered(rows: np.ndarray) -> np.ndarray:
    """The rows of all processes in order of rank, on every process."""
    return np.concatenate(_of_all(rows))


def interleaved(rows: Tensor) -> Tensor:
    """The rows of the whole batch, on the CPU, from each process's rows of it."""
    return torch.nn.utils.rnn.pad_sequence(_of_all(rows.cpu())).flatten(0, 1)


def own_rows(rows: Tensor) -> Tensor:
    """This process's rows of a whole batch, the inverse of `interleaved`; at least one row."""
    rank, count = this_shard()
    return rows[min(rank, len(rows) - 1) :: count]


def first_process(flag: Tensor) -> int | None:
    """The lowest rank whose `flag` is True; None if there is none."""
    rank, count = this_shard()
    first = torch.where(flag, rank, count)
    if count > 1:
        torch.distributed.all_reduce(first, torch.distributed.ReduceOp.MIN)
    return int(first) if first < count else None


def mean_rows(gradient: Tensor) -> Tensor:
    """The mean over processes of a sparse gradient [R, D], whose row 0 is 0; coalesced.

    DDP would leave this to the backend, and NCCL has no sparse all-reduce.
    """
    gradient = gradient.coalesce()
    count = this_shard().count
    if count == 1:
        return gradient
    rows, values = gradient.indices()[0], gradient.values()
    most = torch.tensor(len(rows), device=rows.device)
    torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
    spare = int(most) - len(rows)  # all processes have to pass on as many: add zeros to row 0
    rows = _joined(torch.nn.functional.pad(rows, (0, spare)))
    values = _joined(torch.nn.functional.pad(values, (0, 0, 0, spare))) / count
    joined = torch.sparse_coo_tensor(rows[None], values, gradient.shape, check_invariants=False)
    return joined.coalesce()


def _joined(part: Tensor) -> Tensor:
    """The rows of all processes in order of rank, every process passes the same number."""
    whole = part.new_empty(this_shard().count * len(part), *part.shape[1:])
    torch.distributed.all_gather_into_tensor(whole, part)
    return whole


def _of_all(part: object) -> list[Any]:
    if not torch.distributed.is_initialized():
        return [part]
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, part)
    return parts
