"""Several processes that train one model: which one this is, its shard, their communication."""

import os
from typing import Any

import numpy as np
import torch.distributed
from torch import Tensor

from .data import Shard


def is_main() -> bool:
    """Whether this is rank 0, which prints and writes the run's files."""
    if torch.distributed.is_initialized():
        return torch.distributed.get_rank() == 0
    # Set by torchrun and Ray Train, by the trainer for the processes that it starts, by srun.
    ranks = (os.environ.get(name) for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))
    return int(next((rank for rank in ranks if rank is not None), 0)) == 0


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
