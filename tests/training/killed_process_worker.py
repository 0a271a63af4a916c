"""Runs `recgrela-train` in one of several processes; one of them is killed with SIGKILL.

    torchrun ... killed_process_worker.py RANK STEP fit --output RUN ...

The process of rank RANK is killed at the start of its training step STEP, counted from 1. It does
not reach the step's all-reduce, in which the other processes wait for it.
"""

import os
import signal
import sys

from recgrela_train.cli import main
from recgrela_train.distributed import this_shard
from recgrela_train.fitting.training_module import TrainingModule


def kill_at(rank: int, step: int) -> None:
    """Make the process of that rank kill itself at that step."""
    training_step, steps = TrainingModule.training_step, 0

    def counted(module: TrainingModule, *of):
        nonlocal steps
        steps += 1
        if steps == step and this_shard().rank == rank:
            os.kill(os.getpid(), signal.SIGKILL)
        return training_step(module, *of)

    TrainingModule.training_step = counted


if __name__ == "__main__":
    rank, step, *command = sys.argv[1:]
    kill_at(int(rank), int(step))
    sys.argv[1:] = command
    main()
