"""A training run in a folder of its own.

RUN/config.yaml             every setting, as used
RUN/checkpoints/            best, last and previous, see checkpoints.py
RUN/tensorboard/            curves
RUN/metrics.json            metrics of the best checkpoint
RUN/card.json               of a run on all events: the metrics of the run that it repeats
RUN/metrics.targets.npz     rank of each target, recommendations of each user
RUN/model.safetensors       the best checkpoint, exported by `export`
RUN/README.md               its model card, written by `export`
RUN/overlay.safetensors     the new items of a run of `--freeze`, exported by `export`
RUN/report.html             the page written by `report`
RUN/bad-batch.pt            the batch whose loss was not finite
RUN/.lock                   locked while a process trains here
"""

import contextlib
import io
import json
import logging
import os
import socket
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import lightning
import numpy as np
import torch
import yaml
from filelock import FileLock, Timeout
from lightning import Callback
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from rich.console import Console

from ..config import Config, changed_settings
from ..data import TOO_FEW_EVENTS, Dataset
from ..device import fast_products, find_device
from ..distributed import is_main
from ..evaluation.card import Card
from ..export.readme import is_ours, readme_path
from ..files import remove_leftovers, write_atomically
from .callbacks import callbacks
from .checkpoints import (
    Checkpoint,
    CheckpointFiles,
    any_checkpoint,
    best_checkpoint,
    checkpoint_to_resume,
    last_checkpoint,
)
from .launch import Processes, find_processes
from .new_items import NewItemsModule
from .sharded_table import ShardedTable
from .training_module import NonFiniteLossError, TrainingModule
from .warm_start import KeepMoments, check_unseen, load_weights

MAY_CHANGE = (
    "data.source",
    "data.format",
    "data.items",
    "evaluate.batch_size",
    "train.max_epochs",
    "train.patience",
    "train.accelerator",
    "train.devices",
    "train.shard_items",
    "train.checkpoint_steps",
)
"""Settings that `--resume` may change. The data may move, but its content has to be the same."""

OUTPUTS = (
    "config.yaml",
    "card.json",
    "metrics.json",
    "metrics.targets.npz",
    "model.safetensors",
    "overlay.safetensors",
    "report.html",
    "bad-batch.pt",
    "checkpoints/best.ckpt",
    "checkpoints/last.ckpt",
    "checkpoints/previous.ckpt",
    "tensorboard/events.out.tfevents.*",
    "tensorboard/hparams.yaml",
)
"""The files of a run, including those of `export RUN` and `report RUN`."""


class Extras(NamedTuple):
    """What the Lightning trainer gets beside the callbacks and the logger of every run."""

    callbacks: Sequence[Callback] = ()
    loggers: Sequence[Logger] = ()


NO_EXTRAS = Extras()


class RunError(ValueError):
    """A run's folder cannot be used as requested; the message says what to do."""


def config_path(run: Path) -> Path:
    """The file with a run's settings."""
    return run / "config.yaml"


def card_path(run: Path) -> Path:
    """The file with the card of a run on all events."""
    return run / "card.json"


def check_folder(run: Path, *, resume: bool) -> None:
    """Raises RunError if there is nothing to resume, or if a run would be overwritten."""
    if resume and not config_path(run).exists():
        raise RunError(f"{run}: nothing to resume: there is no {config_path(run)}")
    if not resume and any_checkpoint(run):
        raise RunError(
            f"{run} already holds a run: continue it with --resume, replace it with --overwrite, "
            "or choose another folder with --output"
        )


def remove_run(run: Path) -> None:
    """Deletes the files of a run; other files in the folder stay."""
    _remove_leftovers(run)
    for pattern in OUTPUTS:
        for file in run.glob(pattern):
            file.unlink()
    if is_ours(readme := readme_path(run / "model.safetensors")):
        readme.unlink()
    for folder in (last_checkpoint(run).parent, run / "tensorboard"):
        with contextlib.suppress(OSError):  # absent, or it has other files
            folder.rmdir()


def fit(
    config: Config,
    dataset: Dataset,
    run: Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    card: Card | None = None,
    start: Checkpoint | None = None,
    console: Console,
    extras: Extras = NO_EXTRAS,
) -> Path:
    """Train until validation no longer improves; returns the best checkpoint's path.

    On all events (`data.split=none`) the best checkpoint is the last epoch. `card` has the metrics
    of the run that it repeats, for the exported file. `start` is the checkpoint of
    `train.start_from`; the data's items begin with its own.

    A resumed run without a checkpoint starts from the beginning, with the same result. An existing
    run is deleted (`overwrite`) only after all checks have passed.

    Raises StartError if `start` was trained on events that are held out here; RunError if another
    process trains in the folder, a resumed run's settings or data differ, no user has enough
    events, the loss is not finite or the disk is full; ConfigError if settings do not suit the
    number of items or processes; CheckpointError if all checkpoints are damaged; OSError if the
    folder cannot be written. On KeyboardInterrupt the run can be resumed.
    """
    if resume and overwrite:
        raise RunError("resume continues a run and overwrite deletes it: choose one")
    with _held(run) if is_main() else contextlib.nullcontext():
        if is_main() and not overwrite:
            check_folder(run, resume=resume)
        return _fit(config, dataset, run, resume, overwrite, card, start, console, extras)


@contextlib.contextmanager
def _held(run: Path) -> Iterator[None]:
    """Locks the folder against other processes. Raises RunError if one trains there."""
    run.mkdir(parents=True, exist_ok=True)
    path = run / ".lock"
    try:
        with FileLock(path, blocking=False):
            with contextlib.suppress(OSError):  # the lock holds even if the disk is full
                path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
            try:
                yield
            finally:
                path.write_text("")
    except Timeout:
        raise RunError(
            f"{run} is in use by {path.read_text() or 'another process'}, which trains there: wait "
            "until it ends, or choose another folder with --output"
        ) from None


def _fit(
    config: Config,
    dataset: Dataset,
    run: Path,
    resume: bool,
    overwrite: bool,
    card: Card | None,
    start: Checkpoint | None,
    console: Console,
    extras: Extras,
) -> Path:
    last = _checked_start(run, config, dataset, console) if resume else None
    _quieten()
    lightning.seed_everything(config.seed, verbose=False)
    module = _module(config, dataset, start)
    held_out = config.data.held_out
    if not len(module.train_dataloader()) or (held_out and not len(module.val_dataloader())):
        raise RunError(TOO_FEW_EVENTS)
    processes = _checked_processes(module)
    if start and not config.train.freeze:
        extras = extras._replace(callbacks=[KeepMoments(start), *extras.callbacks])
    trainer = _trainer(config, processes, run, console, extras)
    if is_main():
        _begin(run, config, card, resume=resume, overwrite=overwrite)
    parameters = sum(p.numel() for p in module.parameters())
    console.print(
        f"{parameters:,} parameters, {len(module.train_dataloader()):,} steps per epoch, "
        f"on {processes.total} x {type(trainer.accelerator).__name__} in {config.train.precision}\n"
        f"loss: {module.loss_name}",
        highlight=False,
    )
    try:
        with fast_products(trainer.strategy.root_device):
            trainer.fit(module, ckpt_path=last, weights_only=True)
    except SystemExit:  # Lightning exits on Ctrl-C
        raise KeyboardInterrupt from None
    except NonFiniteLossError as error:
        raise _stopped(error, module, run) from None
    except OSError as error:
        raise RunError(
            f"training stopped: {error if error.filename else f'{run}: {error}'}. Earlier "
            f"checkpoints are intact: once {run} can be written, continue with --resume"
        ) from None
    if is_main() and not held_out:
        write_atomically(best_checkpoint(run), last_checkpoint(run).read_bytes())
    if is_main() and not best_checkpoint(run).exists():  # deleted, and no later epoch was better
        raise RunError(
            f"{best_checkpoint(run)} was deleted, and the run is finished: measure its last epoch "
            f"with recgrela-train evaluate {last_checkpoint(run)}"
        )
    return best_checkpoint(run)


def _begin(run: Path, config: Config, card: Card | None, *, resume: bool, overwrite: bool) -> None:
    """Deletes outdated files, and writes the settings and the card, if any."""
    if not resume:  # perhaps of a run that was stopped before its first checkpoint
        card_path(run).unlink(missing_ok=True)
    if overwrite:
        remove_run(run)
    _remove_leftovers(run)
    for name in ("metrics.json", "metrics.targets.npz"):
        (run / name).unlink(missing_ok=True)
    settings = yaml.safe_dump(config.model_dump(exclude_none=True), sort_keys=False)
    write_atomically(config_path(run), settings.encode())
    if card is not None:
        write_atomically(card_path(run), json.dumps(card, indent=2).encode())


def _module(config: Config, dataset: Dataset, start: Checkpoint | None) -> TrainingModule:
    """The module with its start weights. Raises StartError if they do not go with the settings."""
    if start is None:
        if config.train.start_from is not None:
            raise RunError("train.start_from is only for recgrela-train fit: omit it")
        return TrainingModule(config, dataset)
    check_unseen(start, config, dataset)
    module: TrainingModule
    if config.train.freeze:
        module = NewItemsModule(config, dataset, start)
    else:
        module = TrainingModule(config, dataset)
        load_weights(module.model, start, dataset)
    module.started_from = start.trained_until
    return module


def _trainer(
    config: Config, processes: Processes, run: Path, console: Console, extras: Extras
) -> lightning.Trainer:
    sharded = _sharded_table(config, processes)
    return lightning.Trainer(
        accelerator=find_device(config.train.accelerator).type,
        devices=processes.per_node,
        num_nodes=processes.nodes,
        strategy=DDPStrategy() if processes.total > 1 else "auto",
        precision=config.train.precision,
        max_epochs=min(config.train.max_epochs, config.train.stop_after or config.train.max_epochs),
        limit_val_batches=1.0 if config.data.held_out else 0,
        gradient_clip_val=None if sharded else config.train.gradient_clip or None,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        callbacks=[
            *callbacks(
                config.train,
                last_checkpoint(run).parent,
                console,
                held_out=config.data.held_out,
            ),
            *sharded,
            *extras.callbacks,
        ],
        plugins=[CheckpointFiles()],
        logger=[TensorBoardLogger(run, name="", version="tensorboard"), *extras.loggers],
        log_every_n_steps=10,
        enable_progress_bar=console.is_terminal and is_main(),
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


def _checked_processes(module: TrainingModule) -> Processes:
    """The number of processes.

    Raises RunError if some would have no rows or no users, or the loss cannot use a sharded table.
    """
    config, dataset = module.config, module.dataset
    processes = find_processes(config.train.devices)
    if config.train.freeze and processes.total > 1:
        raise RunError("--freeze trains in one process: set train.devices=1, without torchrun")
    if module.sampler is not None and config.train.shard_items and processes.total > 1:
        raise RunError(
            "train.shard_items gathers the whole item table in each step, but train.loss="
            f"{config.train.loss} is the {module.loss_name}, which reads few of its rows: set "
            "train.shard_items=false, or train.loss=full"
        )
    if dataset.item_features and config.train.shard_items and processes.total > 1:
        raise RunError(
            "train.shard_items shards a table of items, but with data.items an item's vector is a "
            "sum: set train.shard_items=false, or data.items=none"
        )
    rows = {"train.batch_size": config.train.batch_size}
    if config.data.held_out:
        rows["evaluate.batch_size"] = config.evaluate.batch_size
        targets = dataset.targets("validation")
        rows["users with validation targets"] = len(np.unique(targets.users))
    for name, count in rows.items():
        if count < processes.total:
            raise RunError(
                f"{processes.total} processes cannot share {name}, {count}: use fewer processes"
            )
    return processes


def _sharded_table(config: Config, processes: Processes) -> list[ShardedTable]:
    """The callback that shards the item table, if that is requested and there are processes."""
    if not config.train.shard_items or processes.total == 1:
        return []
    return [ShardedTable(config.train.gradient_clip)]


def _remove_leftovers(run: Path) -> None:
    """Deletes temporary files of killed processes."""
    for folder in (run, last_checkpoint(run).parent):
        remove_leftovers(folder)


def _stopped(error: NonFiniteLossError, module: TrainingModule, run: Path) -> RunError:
    """The error to raise; writes what is needed to reproduce the loss."""
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
        "a lower train.learning_rate, a lower train.gradient_clip (0 disables it), or "
        "train.precision=32-true"
    )


def _checked_start(run: Path, config: Config, dataset: Dataset, console: Console) -> Path | None:
    """The checkpoint to resume from; None if there is none.

    Raises RunError if the data or settings outside MAY_CHANGE differ from those of the run; also if
    max_epochs differs and the learning rate depends on it.
    """
    last = checkpoint_to_resume(run, console)
    if last is None:
        return None
    if config.train.max_epochs < last.epochs:
        raise RunError(
            f"this run has {last.epochs} epochs, more than train.max_epochs="
            f"{config.train.max_epochs}: set it to {last.epochs} or more"
        )
    if last.model.start is None and config.model.kind == "grela":
        raise RunError(
            f"{run} was started by an older version, whose models have no start vector, so it "
            "cannot be continued: evaluate or export it, or start another run"
        )
    for key, old, new in changed_settings(last.config, config):
        if key == "train.max_epochs" and config.train.schedule == "cosine":
            raise RunError(
                f"{key} was {old!r} when this run started and cannot become {new!r}: the cosine "
                "schedule of its learning rate ends there. Start another run"
            )
        if key not in MAY_CHANGE:
            raise RunError(
                f"{key} was {old!r} when this run started and cannot become {new!r}: keep it, or "
                f"start another run. --resume may change: {', '.join(MAY_CHANGE)}"
            )
    if last.data != dataset.fingerprint:
        raise RunError(
            f"the histories of {config.data.source} changed since this run started: restore the "
            "old file, or start another run"
        )
    found = dataset.item_features and dataset.item_features.digest
    if not config.train.freeze and (last.features and last.features.digest) != found:
        raise RunError(
            f"the features of items in data.items={config.data.items} changed since this run "
            "started: restore the old file, or start another run"
        )
    return last.path


def _quieten() -> None:
    """Silences Lightning's warnings about intended choices, such as no data-loader workers."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for remark in (
        "does not have many workers", "number of training batches", "It is recommended.*sync_dist",
        "Checkpoint directory.*exists", "in eval mode at the start",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", module="lightning", message=f".*{remark}")
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
