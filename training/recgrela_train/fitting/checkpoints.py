"""A run's checkpoint files: atomic writes, and which one to resume from.

    checkpoints/best.ckpt       the best validation metric so far
    checkpoints/last.ckpt       the last epoch, or a later step
    checkpoints/previous.ckpt   the last.ckpt before it, in case that is damaged

Files are written atomically, so a process may be killed at any time. If it is killed between the
renames of last.ckpt and its successor, there is only previous.ckpt.
"""

import io
import os
import textwrap
import zipfile
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lightning.fabric.plugins.io import TorchCheckpointIO
from rich.console import Console
from torch import Tensor

from ..config import Config, parse_saved
from ..data import Cuts, Ids
from ..files import replacing
from ..networks import make_network
from ..networks.network import Network
from .item_features import TrainedFeatures, folded

VERSION = 1  # of what a checkpoint says about itself; older versions of the package wrote none


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file and the reason."""


class Checkpoint(NamedTuple):
    """The content of a checkpoint file."""

    path: Path
    model: Network  # float32, in evaluation mode
    config: Config
    item_ids: Ids  # item_ids[j] is the id of item j + 1
    kinds: tuple[str, ...]  # names of the kinds of events, in the order of their rows
    data: str  # Dataset.fingerprint
    cuts: Cuts | None  # of a split by time
    trained_until: int | None  # the time of the last training event
    epochs: int  # finished
    epoch_seconds: list[float]
    features: TrainedFeatures | None = None  # which the vectors of `model` contain


def best_checkpoint(run: Path) -> Path:
    """The checkpoint to evaluate and export."""
    return run / "checkpoints" / "best.ckpt"


def last_checkpoint(run: Path) -> Path:
    """The checkpoint to resume from."""
    return run / "checkpoints" / "last.ckpt"


def previous_checkpoint(run: Path) -> Path:
    """The fallback to resume from."""
    return run / "checkpoints" / "previous.ckpt"


def checkpoint_file(path: Path) -> Path:
    """The path itself, or the best checkpoint if it is a run's folder."""
    return best_checkpoint(path) if path.is_dir() else path


def any_checkpoint(run: Path) -> bool:
    """Whether the run has any checkpoint."""
    places = (best_checkpoint, last_checkpoint, previous_checkpoint)
    return any(place(run).exists() for place in places)


def load_checkpoint(path: Path) -> Checkpoint:
    """Reads a checkpoint. Raises CheckpointError, also if a checksum does not match."""
    try:
        # torch.load ignores the archive's checksums.
        with zipfile.ZipFile(path) as archive:
            if changed := archive.testzip():
                raise zipfile.BadZipFile(changed)
        content = torch.load(path, map_location="cpu", weights_only=True)
        saved = content["recgrela"]
        if saved.get("version", VERSION) != VERSION:
            raise ValueError(
                f"version {saved['version']}, expected {VERSION}: update recgrela-train"
            )
        config, ids = parse_saved(saved["config"]), saved["item_ids"]
        ids = ids.numpy() if isinstance(ids, Tensor) else ids
        kinds = tuple(saved.get("kinds", ()))
        model = make_network(config.model, len(ids), len(kinds))
        weights = {k.removeprefix("model."): v for k, v in content["state_dict"].items()}
        if "version" not in saved and "start" not in weights:
            model.start = None  # an older version, whose networks had no start vector
        features = None
        if described := saved.get("item_features"):
            features = TrainedFeatures.of(described, weights)
            weights = folded(described, weights)
        model.load_state_dict(weights)
        epochs = content["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"]
        seconds = content["callbacks"]["EpochReport"]["seconds"]
        cuts = saved["cuts"] and Cuts(*saved["cuts"])
        until = saved.get("trained_until")
        return Checkpoint(
            path,
            model.eval(),
            config,
            ids,
            kinds,
            saved["data"],
            cuts,
            until,
            epochs,
            seconds,
            features,
        )
    except FileNotFoundError:
        raise CheckpointError(f"{path}: there is no such checkpoint") from None
    except IsADirectoryError:
        raise CheckpointError(f"{path} is a folder: name a checkpoint file in it") from None
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:
        raise CheckpointError(
            f"{path}: not a readable recgrela checkpoint: damaged: {error}"
        ) from None
    except Exception as error:  # damaged and foreign files fail in many ways
        detail = textwrap.shorten(str(error), 200, placeholder=" ...")
        raise CheckpointError(
            f"{path}: not a readable recgrela checkpoint: {type(error).__name__}: {detail}"
        ) from None


def checkpoint_to_resume(run: Path, console: Console) -> Checkpoint | None:
    """The newest readable checkpoint, with a warning if it is not the last; None if there is none.

    Raises CheckpointError if all are damaged, or only the best one is left.
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
                f"warning: {damaged}\nresuming from {path}, the one before",
                highlight=False, markup=False, soft_wrap=True,
            )  # fmt: skip
        return checkpoint
    if damaged:
        raise CheckpointError(
            f"{damaged}\nno other checkpoint is readable: start again with --overwrite"
        )
    if any_checkpoint(run):
        raise CheckpointError(
            f"{run}: only {best_checkpoint(run).name} is left, and training cannot resume from it: "
            "evaluate or export it, or start again with --overwrite"
        )
    return None


class CheckpointFiles(TorchCheckpointIO):
    """Writes checkpoints atomically, and keeps the last one as previous.ckpt."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Writes a checkpoint; an existing file stays until the new one is on the disk."""
        path = Path(path)
        # torch.save to a file hides why a write failed, so it writes to memory.
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        with replacing(path) as temporary:
            with temporary.open("wb") as file:
                file.write(buffer.getbuffer())
                file.flush()
                os.fsync(file.fileno())
            if path.name == "last.ckpt" and path.exists():
                path.replace(path.with_name("previous.ckpt"))
