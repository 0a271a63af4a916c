"""A training run in a folder of its own.

RUN/config.yaml             every setting, as used
RUN/checkpoints/            best, last and previous, see checkpoints.py
RUN/tensorboard/            curves
RUN/metrics.json            final figures of the best checkpoint
RUN/metrics.users.npz       rank and recommendations of each user
RUN/model.safetensors       what `export` makes of the best checkpoint
RUN/report.html             what `report` writes
RUN/bad-batch.pt            where the loss was not finite
RUN/.lock                   held while a process trains here
"""

import contextlib
import io
import logging
import os
import socket
import warnings
from collections.abc import Iterator
from pathlib import Path

import lightning
import torch
import yaml
from filelock import FileLock, Timeout
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from ..config import Config, changed_settings
from ..data import TOO_FEW_EVENTS, Dataset
from ..device import fast_products, find_device
from ..distributed import Processes, find_processes, is_main
from ..files import remove_leftovers, write_atomically
from .callbacks import callbacks
from .checkpoints import (
    CheckpointFiles,
    any_checkpoint,
    best_checkpoint,
    checkpoint_to_resume,
    last_checkpoint,
)
from .sharded_table import ShardedTable
from .training_module import NonFiniteLossError, TrainingModule

MAY_CHANGE = (
    "data.source",
    "data.format",
    "evaluate.batch_size",
    "train.max_epochs",
    "train.patience",
    "train.accelerator",
    "train.devices",
    "train.shard_items",
    "train.checkpoint_steps",
)
"""Settings of a run that `--resume` may change; the data has to be the same, wherever it is."""

OUTPUTS = (
    "config.yaml",
    "metrics.json",
    "metrics.users.npz",
    "model.safetensors",
    "report.html",
    "bad-batch.pt",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "tensorboard/events.out.tfevents.*",
    "tensorboard/hparams.yaml",
)
"""The files of a run, and what `export RUN` and `report RUN` add."""


class RunError(ValueError):
    """A run folder that cannot be used as asked; the message says what to do."""


def config_path(run: Path) -> Path:
    """Where a run keeps its settings."""
    return run / "config.yaml"


def check_folder(run: Path, *, resume: bool) -> None:
    """Raises RunError if there is nothing to resume, or a run that would be overwritten."""
    if resume and not config_path(run).exists():
        raise RunError(f"{run}: nothing to resume: there is no {config_path(run)}")
    if not resume and any_checkpoint(run):
        raise RunError(
            f"{run} holds a run already: continue it with --resume, replace it with --overwrite, "
            "or choose another folder with --output"
        )


def remove_run(run: Path) -> None:
    """Deletes what a run and its export leave in the folder, and nothing else that stands there."""
    _remove_leftovers(run)
    for pattern in OUTPUTS:
        for file in run.glob(pattern):
            file.unlink()
    for folder in (last_checkpoint(run).parent, run / "tensorboard"):
        with contextlib.suppress(OSError):  # absent, or it holds files of the user's
            folder.rmdir()


def fit(
    config: Config,
    dataset: Dataset,
    run: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    console: Console,
) -> Path:
    """Train until validation no longer improves; returns the best checkpoint's path.

    A resumed run without a checkpoint starts anew, with the same result. The folder stays
    as it is until all is known to be in order; then a run there is gone with `overwrite`.

    Raises RunError where another process trains there, a resumed run is to change what it depends
    on, nobody has enough events, the loss is not finite or the disk is full, CheckpointError where
    all checkpoints are damaged, OSError where the folder cannot be written, KeyboardInterrupt after
    a tidy end.
    """
    with _held(run) if is_main() else contextlib.nullcontext():
        if is_main() and not overwrite:
            check_folder(run, resume=resume)
        return _fit(config, dataset, run, resume, overwrite, console)


@contextlib.contextmanager
def _held(run: Path) -> Iterator[None]:
    """Keeps other processes from training in the folder. Raises RunError if one does."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / ".lock"
    try:
        with FileLock(path, blocking=False):
            with contextlib.suppress(OSError):  # a full disk; it is locked all the same
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            try:
                yield
            finally:
                path.write_text("")
    except Timeout:
        raise RunError(
            f"{run} is in use by {path.read_text() or 'another process'}, which trains there: wait "
            "until it has ended, or choose another folder with --output"
        ) from None


def _fit(
    config: Config, dataset: Dataset, run: Path, resume: bool, overwrite: bool, console: Console
) -> Path:
    start = _checked_start(run, config, dataset, console) if resume else None
    _quieten()
    lightning.seed_everything(config.seed, verbose=False)
    module = TrainingModule(config, dataset)
    if not len(module.train_dataloader()) or not len(module.val_dataloader()):
        raise RunError(TOO_FEW_EVENTS)
    processes = _checked_processes(config, dataset)
    trainer = _trainer(config, processes, run, console)
    if is_main():
        _begin(run, config, overwrite=overwrite)
    parameters = sum(p.numel() for p in module.parameters())
    console.print(
        f"{parameters:,} parameters, {len(module.train_dataloader()):,} steps an epoch, "
        f"on {processes.total} x {type(trainer.accelerator).__name__} in {config.train.precision}",
        highlight=False,
    )
    try:
        with fast_products(trainer.strategy.root_device):
            trainer.fit(module, ckpt_path=start, weights_only=True)
    except SystemExit:  # Lightning's own answer to Ctrl-C
        raise KeyboardInterrupt from None
    except NonFiniteLossError as error:
        raise _stopped(error, module, run) from None
    except OSError as error:
        raise RunError(
            f"training stopped: {error if error.filename else f'{run}: {error}'}. The checkpoints "
            f"from before are whole: once {run} can be written, continue with --resume"
        ) from None
    if is_main() and not best_checkpoint(run).exists():  # it was deleted, and no epoch was better
        raise RunError(
            f"{best_checkpoint(run)} is gone, and the run is at its end: measure its last epoch "
            f"with recgrela-train evaluate {last_checkpoint(run)}"
        )
    return best_checkpoint(run)


def _begin(run: Path, config: Config, *, overwrite: bool) -> None:
    """Clears away what will hold no longer, and writes the settings."""
    if overwrite:
        remove_run(run)
    _remove_leftovers(run)
    for name in ("metrics.json", "metrics.users.npz"):
        (run / name).unlink(missing_ok=True)
    settings = yaml.safe_dump(config.model_dump(), sort_keys=False)
    write_atomically(config_path(run), settings.encode())


def _trainer(
    config: Config, processes: Processes, run: Path, console: Console
) -> lightning.Trainer:
    sharded = _sharded_table(config, processes)
    return lightning.Trainer(
        accelerator=find_device(config.train.accelerator).type,
        devices=processes.per_node,
        num_nodes=processes.nodes,
        strategy=DDPStrategy() if processes.total > 1 else "auto",
        precision=config.train.precision,
        max_epochs=config.train.max_epochs,
        gradient_clip_val=None if sharded else config.train.gradient_clip or None,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        callbacks=[
            *callbacks(config.train, last_checkpoint(run).parent, console),
            *sharded,
        ],
        plugins=[CheckpointFiles()],
        logger=TensorBoardLogger(run, name="", version="tensorboard"),
        log_every_n_steps=10,
        enable_progress_bar=console.is_terminal and is_main(),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _checked_processes(config: Config, dataset: Dataset) -> Processes:
    """How many processes train. Raises RunError where some would never have a row or a user."""
    processes = find_processes(config.train.devices)
    rows = {
        "train.batch_size": config.train.batch_size,
        "evaluate.batch_size": config.evaluate.batch_size,
        "users with three events or more": len(dataset.held_out("validation").users),
    }
    for name, count in rows.items():
        if count < processes.total:
            raise RunError(
                f"{processes.total} processes cannot share {name}, {count}: use fewer processes"
            )
    return processes


def _sharded_table(config: Config, processes: Processes) -> list[ShardedTable]:
    """What spreads the item table, where that is asked for and there are processes to share it."""
    if not config.train.shard_items or processes.total == 1:
        return []
    return [ShardedTable(config.train.gradient_clip)]


def _remove_leftovers(run: Path) -> None:
    """Clears away what a killed process left half written."""
    for folder in (run, last_checkpoint(run).parent):
        remove_leftovers(folder)


def _stopped(error: NonFiniteLossError, module: TrainingModule, run: Path) -> RunError:
    """What to tell; keeps what it takes to compute that loss again."""
    path = run / "bad-batch.pt"
    if error.here:
        buffer = io.BytesIO()
        torch.save(
            {
                "batch": error.batch,
                "state": error.state,
                "weights": {name: p.detach() for name, p in module.model.named_parameters()},
                "epoch": module.current_epoch,
                "step": module.global_step,
            },
            buffer,
        )
        write_atomically(path, buffer.getvalue())
    return RunError(
        f"training stopped: {error} in epoch {module.current_epoch + 1}, step "
        f"{module.global_step}. The batch, the state before it and the weights are in {path}. Try "
        "a lower train.learning_rate, a lower train.gradient_clip (0 is none), or "
        "train.precision=32-true"
    )


def _checked_start(run: Path, config: Config, dataset: Dataset, console: Console) -> Path | None:
    """The checkpoint to continue from; None where there is none.

    Raises RunError unless settings and data are those that the run started with. The settings of
    MAY_CHANGE may differ; max_epochs not where the learning rate goes by it.
    """
    last = checkpoint_to_resume(run, console)
    if last is None:
        return None
    if config.train.max_epochs < last.epochs:
        raise RunError(
            f"this run has {last.epochs} epochs, train.max_epochs={config.train.max_epochs} "
            f"would undo some: set {last.epochs} or more"
        )
    for key, old, new in changed_settings(last.config, config):
        if key == "train.max_epochs" and config.train.schedule == "cosine":
            raise RunError(
                f"{key} was {old!r} when this run started and cannot become {new!r}: its learning "
                "rate falls along a cosine that ends there. Start another run"
            )
        if key not in MAY_CHANGE:
            raise RunError(
                f"{key} was {old!r} when this run started and cannot become {new!r}: leave it, or "
                f"start another run. What may change with --resume: {', '.join(MAY_CHANGE)}"
            )
    if last.data != dataset.fingerprint:
        raise RunError(
            f"{config.data.source} gives other histories than when this run started: its content "
            "changed. Put the old file back, or start another run"
        )
    return last.path


def _quieten() -> None:
    """Lightning's remarks on what is meant here: own batches, no data-loader workers."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for remark in (
        "does not have many workers", "number of training batches", "It is recommended.*sync_dist",
        "Checkpoint directory.*exists",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", module="lightning", message=f".*{remark}")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
