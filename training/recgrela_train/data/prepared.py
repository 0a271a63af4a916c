"""A Dataset in a folder: prepared once, then memory-mapped.

items.npy      int32 [events], mapped: events that training does not touch take no memory
offsets.npy    int64 [U + 1]
ids.json       item and user ids if they are strings; otherwise item_ids.npy, user_ids.npy
prepared.json  the settings that it was prepared with, its source, the counts; written last
"""

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..config import DataConfig
from ..files import replacing, write_atomically
from .dataset import Counts, Dataset, Report
from .errors import DataError

VERSION = 2
ANEW = "prepare it again with recgrela-train prepare"


def is_prepared(path: Path) -> bool:
    """Whether `path` is a complete folder of `write_prepared`."""
    return (path / "prepared.json").is_file()


def check_folder(path: Path) -> None:
    """Raises FileExistsError if `path` is a file."""
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: name a folder instead")


def write_prepared(dataset: Dataset, config: DataConfig, folder: Path) -> None:
    """Writes the folder for `open_prepared`. Raises OSError."""
    (folder / "prepared.json").unlink(missing_ok=True)
    arrays = {"items": dataset.items, "offsets": dataset.offsets}
    strings: dict[str, list[str]] = {}
    for name, ids in (("item_ids", dataset.item_ids), ("user_ids", dataset.user_ids)):
        if isinstance(ids, np.ndarray):
            arrays[name] = ids
        else:
            strings[name] = ids
    for name, array in arrays.items():
        with replacing(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            np.save(file, array, allow_pickle=False)
    write_atomically(folder / "ids.json", json.dumps(strings).encode())
    report, source = dataset.report, Path(config.source).expanduser().resolve()
    content = {
        "version": VERSION,
        "source": str(source) if source.is_file() else config.source,
        "state": [*_stamp(source), _hash(source)] if source.is_file() else None,
        "settings": _settings(config),
        "before": report.before,
        "after": report.after,
        "training_only": report.training_only,
    }
    write_atomically(folder / "prepared.json", json.dumps(content, indent=2).encode())


def open_prepared(folder: Path, config: DataConfig) -> Dataset:
    """The Dataset of a folder, with its events memory-mapped.

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
        item_ids, user_ids = (strings.get(n) or _load(folder, n) for n in ("item_ids", "user_ids"))
        before, after = Counts(*content["before"]), Counts(*content["after"])
        found = Counts(len(offsets) - 1, len(item_ids), len(items))
        if found != after or offsets[-1] != len(items):
            raise DataError(f"{folder}: damaged: expected {after}, found {found}")
        _check_bounds(folder, items, offsets, after.items)
        report = Report(content["settings"]["min_events"], before, after, content["training_only"])
        return Dataset(items, np.array(offsets), item_ids, user_ids, report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder}: not a readable prepared data set ({type(error).__name__}: {error}): {ANEW}"
        ) from None


def _check_bounds(folder: Path, items: np.ndarray, offsets: np.ndarray, num_items: int) -> None:
    """Raises DataError for item indices or offsets out of range."""
    if len(items) and not 1 <= items.min() <= items.max() <= num_items:
        raise DataError(
            f"{folder}: damaged: items.npy has {items.min()} to {items.max()}, "
            f"expected 1 to {num_items}: {ANEW}"
        )
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DataError(f"{folder}: damaged: offsets.npy is not ascending from 0: {ANEW}")


def _load(folder: Path, name: str, mmap_mode: Literal["r"] | None = None) -> np.ndarray:
    array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode, allow_pickle=False)
    return array


def _settings(config: DataConfig) -> dict[str, Any]:
    """The settings that the choice and order of events depend on."""
    chosen = {"min_events": config.min_events, "ties": config.ties}
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
