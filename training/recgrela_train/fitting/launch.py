"""Which processes train together, by what started them.

torchrun, Ray Train or SLURM's `srun` starts the processes. Otherwise the trainer starts
`train.devices` processes on this machine. docs/distributed.md has the commands.
"""

import os
from typing import NamedTuple

import torch.distributed
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

from ..config import ConfigError


class Processes(NamedTuple):
    """How many processes train together."""

    per_node: int
    nodes: int

    @property
    def total(self) -> int:
        """The world size."""
        return self.per_node * self.nodes


def find_processes(devices: int) -> Processes:
    """The processes that were started for this training; otherwise `devices` on this machine.

    Raises ConfigError if srun started other than a multiple of `devices`.
    """
    if "LOCAL_WORLD_SIZE" in os.environ:  # torchrun and Ray Train set it
        here = int(os.environ["LOCAL_WORLD_SIZE"])
        return Processes(here, _world_size() // here)
    if not SLURMEnvironment.detect():
        return Processes(devices, 1)
    total = SLURMEnvironment().world_size()
    if total % devices:
        raise ConfigError(
            f"srun started {total} processes, not a multiple of train.devices={devices}: set "
            "train.devices to the tasks per node"
        )
    return Processes(devices, total // devices)


def _world_size() -> int:
    # Under Ray Train, Lightning deletes the variable after a fit.
    if torch.distributed.is_initialized():
        return torch.distributed.get_world_size()
    return int(os.environ["WORLD_SIZE"])
