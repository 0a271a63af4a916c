"""Train with Ray Train as launcher: `python examples/ray_train.py runs/ray --workers 2`.

Each Ray worker calls `fit`, as each process of torchrun does. If a worker is lost, Ray starts all
of them again, and they resume from the last checkpoint. All nodes have to see the run's folder.

Needs: pip install 'ray[train]'
"""

import argparse
from pathlib import Path

from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer


def train(options: dict) -> None:
    """What each worker does."""
    from recgrela_train import Recommender

    run = Path(options["run"])
    resume = any((run / "checkpoints").glob("*.ckpt"))
    recommender = Recommender(options["settings"])
    recommender.fit(run=run, resume=resume)
    recommender.evaluate()  # writes metrics.json


def main() -> None:
    """Start the workers, and restart them up to three times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of the run")
    parser.add_argument("--set", "-s", action="append", default=[], dest="settings")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="one GPU per worker")
    options = parser.parse_args()
    run = options.run.absolute()
    TorchTrainer(
        train,
        train_loop_config={"run": str(run), "settings": options.settings},
        scaling_config=ScalingConfig(num_workers=options.workers, use_gpu=options.gpu),
        run_config=RunConfig(
            storage_path=str(run / "ray"), failure_config=FailureConfig(max_failures=3)
        ),
    ).fit()


if __name__ == "__main__":
    main()
