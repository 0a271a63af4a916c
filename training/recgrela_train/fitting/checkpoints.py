"""A run's checkpoint files: written whole or not at all, and which one to continue from.

    checkpoints/best.ckpt       the best validation figure so far
    checkpoints/last.ckpt       the last full epoch
    checkpoints/previous.ckpt   the epoch before it, should the last be damaged

A file is written beside, brought to the disk and renamed, so a process may be killed at any moment;
between two renames there may be no last.ckpt, and then the previous one is the last.
"""

import io
import os
from pathlib import Path

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from rich.console import Console

from ..files import replacing
from .training_module import CheckpointError, load_checkpoint


def best_checkpoint(run: Path) -> Path:
    """The checkpoint to evaluate and export."""
    return run / "checkpoints" / "best.ckpt"


def last_checkpoint(run: Path) -> Path:
    """The checkpoint to continue from."""
    return run / "checkpoints" / "last.ckpt"


def previous_checkpoint(run: Path) -> Path:
    """The one before it."""
    return run / "checkpoints" / "previous.ckpt"


def checkpoint_file(path: Path) -> Path:
    """The file that a path means: itself, or the best checkpoint of a run's folder."""
    return best_checkpoint(path) if path.is_dir() else path


def any_checkpoint(run: Path) -> bool:
    """Whether an epoch of the run was finished."""
    places = (best_checkpoint, last_checkpoint, previous_checkpoint)
    return any(place(run).exists() for place in places)


def checkpoint_to_resume(run: Path, console: Console) -> Path | None:
    """The newest whole checkpoint; None where no epoch was finished. Says so if it falls back.

    Raises CheckpointError if all are damaged, or only the best is left.
    """
    damaged = None
    for path in (last_checkpoint(run), previous_checkpoint(run)):
        if not path.exists():
            continue
        try:
            load_checkpoint(path)
        except CheckpointError as error:
            damaged = error
            continue
        if damaged:
            console.print(
                f"warning: {damaged}\ncontinuing from {path}, the epoch before",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        return path
    if damaged:
        raise CheckpointError(
            f"{damaged}\nno other checkpoint can be read: start again with --overwrite"
        )
    if any_checkpoint(run):
        raise CheckpointError(
            f"{run}: only {best_checkpoint(run).name} is left, which training cannot go on from: "
            "evaluate or export it, or start again with --overwrite"
        )
    return None


class CheckpointFiles(TorchCheckpointIO):
    """How the trainer writes checkpoints: as the module says, keeping the last one as previous."""

    def save_checkpoint(self, checkpoint: dict, path, storage_options=None) -> None:
        """Writes one; what stood there stays until the new one is on the disk."""
        path = Path(path)
        # torch.save hides why a write failed, so it writes to memory.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with replacing(path) as temporary:
            with temporary.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if path.name == "last.ckpt" and path.exists():
                path.replace(path.with_name("previous.ckpt"))
