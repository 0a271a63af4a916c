"""Histories in a folder: prepared once, then memory-mapped.

items.npy      int32 [E], item codes
times.npy      int64 [E]; absent for sequences
offsets.npy    int64 [U + 1]
ids.json       item and user ids if they are strings; otherwise item_ids.npy, user_ids.npy
prepared.json  the settings that it was prepared with, and its source; written last
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..config import DataConfig
from ..files import replacing, write_atomically
from .errors import DataError
from .histories import Histories

VERSION = 3
ANEW = "prepare it again with recgrela-train prepare"


def is_prepared(path: Path) -> bool:
    """Whether `path` is a complete folder of `write_prepared`."""
    return (path / "prepared.json").is_file()


def check_folder(path: Path) -> None:
    """Raises FileExistsError if `path` is a file."""
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: name a folder instead")


def write_prepared(histories: Histories, config: DataConfig, folder: Path) -> None:
    """Writes the folder for `open_prepared`. Raises OSError."""
    (folder / "prepared.json").unlink(missing_ok=True)
    arrays = {"items": histories.items, "offsets": histories.offsets}
    if histories.times is not None:
        arrays["times"] = histories.times
    strings: dict[str, list[str]] = {}
    for name, ids in (("item_ids", histories.item_ids), ("user_ids", histories.user_ids)):
        if isinstance(ids, np.ndarray):
            arrays[name] = ids
        else:
            strings[name] = ids
    for name, array in arrays.items():
        with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    write_atomically(folder / "ids.json", json.dumps(strings).encode())
    source = Path(config.source).expanduser().resolve()
    content = {
        "version": VERSION,
        "source": str(source) if source.is_file() else config.source,
        "state": [*_stamp(source), _hash(source)] if source.is_file() else None,
        "settings": _settings(config),
        "events": len(histories.items),
        "dated": histories.dated,
    }
    write_atomically(folder / "prepared.json", json.dumps(content, indent=2).encode())


def open_prepared(folder: Path, config: DataConfig) -> Histories:
    """The Histories of a folder, with their events memory-mapped.

    Raises DataError if it was prepared with other settings, is damaged, or its source changed.
    """
    try:
        content = json.loads((folder / "prepared.json").read_bytes())
        if content["version"] != VERSION:
            raise DataError(
                f"{folder}: format version {content['version']}, expected {VERSION}: {ANEW}"
            )
        _check_settings(folder, content["settings"], _settings(config))
        _check_source(folder, Path(content["source"]), content.get("state"))
        strings = json.loads((folder / "ids.json").read_bytes())
        items, offsets = (_load(folder, name, mmap_mode="r") for name in ("items", "offsets"))
        times = None
        if (folder / "times.npy").exists():
            times = _load(folder, "times", mmap_mode="r")
        item_ids, user_ids = (strings.get(n) or _load(folder, n) for n in ("item_ids", "user_ids"))
        if {len(items), offsets[-1], content["events"]} != {content["events"]} or len(
            user_ids
        ) + 1 != len(offsets):
            raise DataError(
                f"{folder}: damaged: expected {content['events']:,} events, found {len(items):,} "
                f"of {len(user_ids):,} users: {ANEW}"
            )
        _check_bounds(folder, items, offsets, len(item_ids))
        return Histories(items, times, content["dated"], np.array(offsets), item_ids, user_ids)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder}: not a readable prepared data set ({type(error).__name__}: {error}): {ANEW}"
        ) from None


def _check_bounds(folder: Path, items: np.ndarray, offsets: np.ndarray, num_items: int) -> None:
    """Raises DataError for item codes or offsets out of range."""
    if len(items) and not 0 <= items.min() <= items.max() < num_items:
        raise DataError(
            f"{folder}: damaged: items.npy has {items.min()} to {items.max()}, "
            f"expected 0 to {num_items - 1}: {ANEW}"
        )
    if offsets[0] != 0 or (np.diff(offsets) <= 0).any():
        raise DataError(f"{folder}: damaged: offsets.npy is not ascending from 0: {ANEW}")


def _load(folder: Path, name: str, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode, allow_pickle=False)
    return array


def _settings(config: DataConfig) -> dict[str, Any]:
    """The settings that the order of events depends on."""
    chosen: dict[str, Any] = {"ties": config.ties}
    return {**chosen, "tie_seed": config.tie_seed} if config.ties == "random" else chosen


def _check_source(folder: Path, source: Path, state: list[Any] | None) -> None:
    """Raises DataError if the source exists, but with another content."""
    if state and source.is_file() and _stamp(source) != state[:2] and _hash(source) != state[2]:
        raise DataError(f"{folder}: {source} changed since: {ANEW}")


def _stamp(path: Path) -> list[int]:
    return [path.stat().st_size, path.stat().st_mtime_ns]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_settings(folder: Path, prepared: dict[str, Any], asked: dict[str, Any]) -> None:
    if prepared != asked:
        text, wanted = (
            ", ".join(f"data.{key}={value}" for key, value in settings.items())
            for settings in (prepared, asked)
        )
        raise DataError(
            f"{folder} was prepared with {text}, but {wanted} was requested: change the settings, "
            f"or {ANEW}"
        )
