"""A run's checkpoint files: written whole or not at all, and which one to continue from.

    checkpoints/best.ckpt       the best validation figure so far
    checkpoints/last.ckpt       the last full epoch, or a step after it
    checkpoints/previous.ckpt   the one before it, should the last be damaged

A file is written beside, brought to the disk and renamed, so a process may be killed at any moment;
between two renames there may be no last.ckpt, and then the previous one is the last.
"""

import io
import os
import textwrap
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from rich.console import Console
from torch import Tensor

from ..config import Config, parse_config
from ..files import replacing
from ..networks import make_network
from ..networks.recommender import Recommender


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and what is wrong with it."""


class Checkpoint(NamedTuple):
    """What a checkpoint file holds of a run."""

    path: Path
    model: Recommender  # float32, in evaluation mode
    config: Config
    item_ids: np.ndarray | list[str]  # item_ids[j] is the id of item j + 1
    data: str  # Dataset.fingerprint
    epochs: int  # finished
    epoch_seconds: list[float]


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
    """Whether the run has come so far that it can be continued or measured."""
    places = (best_checkpoint, last_checkpoint, previous_checkpoint)
    return any(place(run).exists() for place in places)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint once. Raises CheckpointError, also where a byte changed."""
    try:
        # A zip archive with a checksum per tensor, which torch.load does not look at.
        with zipfile.ZipFile(path) as archive:
            if changed := archive.testzip():
                raise zipfile.BadZipFile(changed)
        content = torch.load(path, map_location="cpu", weights_only=True)
        saved = content["recgrela"]
        config, ids = parse_config(saved["config"]), saved["item_ids"]
        ids = ids.numpy() if isinstance(ids, Tensor) else ids
        model = make_network(config.model, len(ids))
        weights = content["state_dict"]
        model.load_state_dict({k.removeprefix("model."): v for k, v in weights.items()})
        epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        seconds = content["callbacks"]["EpochReport"]["seconds"]
        return Checkpoint(path, model.eval(), config, ids, saved["data"], epochs, seconds)
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder; name the checkpoint file in it") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path}: not a readable recgrela checkpoint: damaged: {error}"
        ) from None
    except Exception as error:  # a damaged or foreign file has no end of ways to fail
        detail = textwrap.shorten(str(error), 200, placeholder=" ...")
        raise CheckpointError(
            f"{path}: not a readable recgrela checkpoint: {type(error).__name__}: {detail}"
        ) from None


def checkpoint_to_resume(run: Path, console: Console) -> Checkpoint | None:
    """The newest whole checkpoint; None where there is none. Says so if it falls back.

    Raises CheckpointError if all are damaged, or only the best is left.
    """
    damaged = None
    for path in (last_checkpoint(run), previous_checkpoint(run)):
        if not path.exists():
            continue
        try:
            checkpoint = load_checkpoint(path)
        except CheckpointError as error:
            damaged = error
            continue
        if damaged:
            console.print(
                f"warning: {damaged}\ncontinuing from {path}, the one before",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        return checkpoint
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

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
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
