"""One of two processes whose training meets a loss that is not finite on the second alone.

torchrun --nproc-per-node=2 nonfinite_worker.py FOLDER KEY=VALUE ...
"""

import sys
from pathlib import Path

import torch
from recgrela_train.config import load_config
from recgrela_train.data import load_dataset
from recgrela_train.fitting import training_module
from recgrela_train.fitting.fit import RunError, fit
from recgrela_train.fitting.loss import full_softmax_loss
from rich.console import Console


def main() -> None:
    """Trains; every process has to stop, and to know where the loss was."""
    run, settings = Path(sys.argv[1]), sys.argv[2:]
    steps = 0

    def broken(*of):
        nonlocal steps
        steps += 1
        bad = steps == 3 and torch.distributed.get_rank() == 1
        return full_softmax_loss(*of) * (float("nan") if bad else 1)

    training_module.full_softmax_loss = broken
    config = load_config(None, settings)
    try:
        fit(config, load_dataset(config.data), run, console=Console(quiet=True))
    except RunError as error:
        here = ("the loss is not finite in rank 1", "the loss is nan")
        assert here[torch.distributed.get_rank()] in str(error), error
        assert steps == 3
    else:
        raise AssertionError("it went on")


if __name__ == "__main__":
    main()
