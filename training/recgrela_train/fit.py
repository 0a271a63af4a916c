"""A training run in a folder of its own.

RUN/config.yaml             every setting, as used
RUN/checkpoints/best.ckpt   the best validation NDCG@10 so far
RUN/checkpoints/last.ckpt   the last full epoch: `--resume` continues from it
RUN/tensorboard/            curves
RUN/metrics.json            final figures of the best checkpoint
RUN/metrics.users.npz       rank and recommendations of each user
RUN/model.safetensors       what `export` makes of the best checkpoint
"""

import contextlib
import logging
import warnings
from pathlib import Path

import lightning
import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from rich.console import Console

from .callbacks import callbacks
from .config import Config, changed_settings
from .data import Dataset
from .files import write_atomically
from .module import TrainingModule, data_fingerprint, load_checkpoint

MAY_CHANGE = ("train.max_epochs", "train.patience", "train.accelerator")
"""Settings of a run that `--resume` may change."""

OUTPUTS = (
    "config.yaml",
    "metrics.json",
    "metrics.users.npz",
    "model.safetensors",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "tensorboard/events.out.tfevents.*",
    "tensorboard/hparams.yaml",
)
"""The files of a run, and what `recgrela-train export RUN` adds."""


class RunError(ValueError):
    """A run folder that cannot be used as asked; the message says what to do."""


def config_path(run: Path) -> Path:
    """Where a run keeps its settings."""
    return run / "config.yaml"


def best_checkpoint(run: Path) -> Path:
    """The checkpoint to evaluate and export."""
    return run / "checkpoints" / "best.ckpt"


def last_checkpoint(run: Path) -> Path:
    """The checkpoint to continue from."""
    return run / "checkpoints" / "last.ckpt"


def check_folder(run: Path, *, resume: bool) -> None:
    """Raises RunError if there is nothing to resume, or a run that would be overwritten."""
    last = last_checkpoint(run)
    if resume and not last.exists():
        raise RunError(f"{run}: nothing to resume: there is no {last}")
    if not resume and last.exists():
        raise RunError(
            f"{run} holds a run already: continue it with --resume, replace it with --overwrite, "
            "or choose another folder with --output"
        )


def remove_run(run: Path) -> None:
    """Deletes what a run and its export leave in the folder, and nothing else that stands there."""
    for pattern in OUTPUTS:
        for file in run.glob(pattern):
            file.unlink()
    for folder in (last_checkpoint(run).parent, run / "tensorboard"):
        with contextlib.suppress(OSError):  # absent, or it holds files of the user's
            folder.rmdir()


def fit(config: Config, dataset: Dataset, run: Path, *, resume: bool, console: Console) -> Path:
    """Train until validation no longer improves; returns the best checkpoint's path.

    Raises RunError where a resumed run is to change what it depends on or nobody has enough
    events, OSError where the folder cannot be written, KeyboardInterrupt after a tidy end.
    """
    if resume:
        _check_unchanged(last_checkpoint(run), config, dataset)
    write_atomically(
        config_path(run), yaml.safe_dump(config.model_dump(), sort_keys=False).encode()
    )

    _quieten()
    lightning.seed_everything(config.seed, verbose=False)
    module = TrainingModule(config, dataset)
    if not len(module.train_dataloader()) or not len(module.val_dataloader()):
        raise RunError(
            "no user has the three events that training, validation and test take: use more data"
        )
    trainer = lightning.Trainer(
        accelerator=config.train.accelerator,
        devices=1,  # the batches of an epoch are not yet shared out among processes
        precision=config.train.precision,
        max_epochs=config.train.max_epochs,
        gradient_clip_val=config.train.gradient_clip or None,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        callbacks=callbacks(config.train.patience, last_checkpoint(run).parent, console),
        logger=TensorBoardLogger(run, name="", version="tensorboard"),
        log_every_n_steps=10,
        enable_progress_bar=console.is_terminal,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    parameters = sum(p.numel() for p in module.parameters())
    console.print(
        f"{parameters:,} parameters, {len(module.train_dataloader()):,} steps an epoch, "
        f"on {type(trainer.accelerator).__name__} in {config.train.precision}",
        highlight=False,
    )
    try:
        trainer.fit(module, ckpt_path=last_checkpoint(run) if resume else None, weights_only=True)
    except SystemExit:  # Lightning's own answer to Ctrl-C
        raise KeyboardInterrupt from None
    return best_checkpoint(run)


def _check_unchanged(last: Path, config: Config, dataset: Dataset) -> None:
    """Raises RunError unless settings and data are those that the run started with.

    The settings of MAY_CHANGE may differ.
    """
    _, saved, _ = load_checkpoint(last)
    for key, old, new in changed_settings(saved, config):
        if key not in MAY_CHANGE:
            raise RunError(
                f"{key} was {old!r} when this run started and cannot become {new!r}: leave it, or "
                f"start another run. What may change with --resume: {', '.join(MAY_CHANGE)}"
            )
    if data_fingerprint(last) != dataset.fingerprint():
        raise RunError(
            f"{config.data.source} gives other histories than when this run started: its content "
            "changed. Put the old file back, or start another run"
        )


def _quieten() -> None:
    """Lightning's remarks on what is meant here: own batches, no data-loader workers."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", module="lightning", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", module="lightning", message=".*number of training batches.*")
    warnings.filterwarnings(
        "ignore", module="lightning", message=".*Checkpoint directory.*exists.*"
    )
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
