"""Callbacks of the training loop: checkpoints, early stopping and progress."""

import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import (
    Callback,
    Checkpoint,
    EarlyStopping,
    ModelCheckpoint,
    RichProgressBar,
)
from rich.console import Console

from ..config import TrainConfig
from .training_module import MONITOR


def callbacks(
    train: TrainConfig, checkpoints: Path, console: Console, *, held_out: bool
) -> list[Callback]:
    """The callbacks of a run that keeps its checkpoints in the folder `checkpoints`.

    Without held-out events nothing is measured: there is no early stopping and no best epoch.
    """
    by_validation = [
        EarlyStop(MONITOR, mode="max", patience=train.patience),
        Checkpoints(
            checkpoints, filename="best", monitor=MONITOR, mode="max", enable_version_counter=False
        ),
    ]
    chosen = [
        EpochReport(console),
        *(by_validation if held_out else ()),
        StepCheckpoints(checkpoints / "last.ckpt", train.checkpoint_steps),
        Checkpoints(
            checkpoints,
            filename="last",
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        ),
    ]
    if console.is_terminal:
        chosen.append(ProgressBar(leave=False))
    return chosen


class EarlyStop(EarlyStopping):
    """Early stopping that survives resuming, with a patience that may change."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the state, but keeps the patience of the current settings."""
        super().load_state_dict({**state, "patience": self.patience})

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Stops a resumed run that had already stopped early."""
        trainer.should_stop = self.wait_count >= self.patience


class StepCheckpoints(Checkpoint):
    """Writes a checkpoint after every `steps` steps of an epoch, except after its last step."""

    def __init__(self, path: Path, steps: int):
        self._path = path
        self._steps = steps

    def on_train_batch_end(
        self, trainer: Trainer, module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes the checkpoint when it is due."""
        done = batch_idx + 1
        if done % self._steps == 0 and done < trainer.num_training_batches:
            trainer.save_checkpoint(self._path)


class Checkpoints(ModelCheckpoint):
    """Checkpoints that keep the best metric when a resumed run's folder has moved."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores the state with current paths: Lightning ignores that of another folder.

        If the best checkpoint was deleted, there is no best metric.
        """
        folder = self.dirpath or ""

        def here(path: str) -> str:
            return path and str(Path(folder, Path(path).name))

        if not Path(here(state["best_model_path"])).is_file():
            return
        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        moved = {key: here(state[key]) for key in paths}
        scores = {here(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(
            {**state, **moved, "best_k_models": scores, "dirpath": self.dirpath}
        )


class EpochReport(Callback):
    """Prints one line per epoch, which log files show too."""

    def __init__(self, console: Console):
        self.console = console
        self.best = 0.0
        self.seconds: list[float] = []  # of each epoch, validation included

    def state_dict(self) -> dict[str, Any]:
        """The best metric and the duration of each epoch."""
        return {"best": self.best, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores them in a resumed run."""
        self.best = state["best"]
        self.seconds = state.get("seconds", [])

    def on_train_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the timer."""
        self.started = time.monotonic()

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Starts the timer of a run that resumes in the middle of an epoch."""
        self.on_train_epoch_start(trainer, module)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Prints loss, any validation metrics, and duration, validation included."""
        metrics = trainer.callback_metrics
        found, mark = "", ""
        if MONITOR in metrics:
            ndcg, hr = float(metrics[MONITOR]), float(metrics["validation/hr@10"])
            found = f"validation NDCG@10 {ndcg:.4f} HR@10 {hr:.4f}  "
            mark = " [green]best[/green]" if ndcg > self.best else ""
            self.best = max(self.best, ndcg)
        self.seconds.append(time.monotonic() - self.started)
        self.console.print(
            f"epoch {trainer.current_epoch + 1:3d}  loss {float(metrics['train/loss']):.4f}  "
            f"{found}{self.seconds[-1]:.1f} s{mark}",
            highlight=False,
        )


class ProgressBar(RichProgressBar):
    """Lightning's progress bar without the version of the log folder."""

    def get_metrics(self, trainer: Trainer, module: LightningModule) -> dict[str, Any]:
        """The loss."""
        metrics = super().get_metrics(trainer, module)
        metrics.pop("v_num", None)
        return metrics
