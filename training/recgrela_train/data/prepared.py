"""Histories in a folder: prepared once, then memory-mapped.

items.npy       int32 [E], item codes
times.npy       int64 [E]; absent for sequences
kinds.npy       uint8 [E], codes of the names in prepared.json; absent without data.kind_column
offsets.npy     int64 [U + 1]
item_ids.npy    int64 [N]; or the UTF-8 bytes of all ids, with item_ids.bounds.npy, int64 [N + 1]
user_ids.npy    the same of users
prepared.json   the settings that it was prepared with, and its source; written last
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from ..config import DataConfig
from ..files import write_atomically
from . import known
from .errors import DataError
from .histories import Histories, StoredIds
from .read import read_pieces
from .sources import find_files
from .spill import Progress, write_histories
from .text_ids import TextIds

VERSION = 3
ABOUT = "prepared.json"
ANEW = "prepare it again with recgrela-train prepare"


def is_prepared(path: Path) -> bool:
    """Whether `path` is a complete folder of `write_prepared`."""
    return (path / ABOUT).is_file()


def check_folder(path: Path) -> None:
    """Raises FileExistsError if `path` is a file."""
    if path.exists() and not path.is_dir():
        raise FileExistsError(f"{path} is a file: name a folder instead")


def write_prepared(
    config: DataConfig, folder: Path, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Sorts the events of `config.source` into a folder for `open_prepared`.

    Memory does not grow with the number of events; a text file is read as a whole. Returns the
    content of prepared.json. Raises DataError naming the file and the problem, and OSError.
    """
    files = _files(config)
    folder.mkdir(parents=True, exist_ok=True)
    for name in (ABOUT, "times.npy", "kinds.npy"):
        (folder / name).unlink(missing_ok=True)
    found = write_histories(read_pieces(config), config.ties, config.tie_seed, folder, progress)
    source = config.source if files is None else str(Path(config.source).expanduser().absolute())
    content = {
        "version": VERSION,
        "source": source,
        "format": config.format,
        "files": files and {str(file.absolute()): [*_stamp(file), _hash(file)] for file in files},
        "settings": _settings(config),
        "kind_column": config.kind_column,
        **found,
    }
    write_atomically(folder / ABOUT, json.dumps(content, indent=2).encode())
    return content


def open_prepared(folder: Path, config: DataConfig) -> Histories:
    """The Histories of a folder, memory-mapped: events, times and ids stay on disk.

    Raises DataError if it was prepared with other settings, is damaged, or its source changed.
    """
    try:
        content = json.loads((folder / ABOUT).read_bytes())
        if content["version"] != VERSION:
            raise DataError(
                f"{folder}: format version {content['version']}, expected {VERSION}: {ANEW}"
            )
        _check_settings(folder, content["settings"], _settings(config))
        _check_source(folder, content)
        kinds = _kinds(folder, content, config)
        histories = Histories(
            items=_load(folder, "items"),
            times=_load(folder, "times") if content["timed"] else None,
            dated=content["dated"],
            offsets=np.array(_load(folder, "offsets")),
            item_ids=_load_ids(folder, "item_ids", text=content["text"]["item"]),
            user_ids=_load_ids(folder, "user_ids", text=content["text"]["user"]),
            kinds=_load(folder, "kinds") if kinds else None,
            kind_names=kinds,
        )
        _check_sizes(folder, histories, content["events"])
        return histories
    except (OSError, ValueError, KeyError, TypeError, IndexError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{folder}: not a readable prepared data set ({type(error).__name__}: {error}): {ANEW}"
        ) from None


def _check_sizes(folder: Path, histories: Histories, events: int) -> None:
    """Raises DataError for arrays that do not fit together."""
    items, offsets, kinds = histories.items, histories.offsets, histories.kinds
    users, num_items = len(histories.user_ids), len(histories.item_ids)
    columns = [each for each in (items, histories.times, kinds) if each is not None]
    sizes = {int(offsets[-1]), *map(len, columns)}
    if sizes != {events} or users + 1 != len(offsets):
        raise DataError(
            f"{folder}: damaged: expected {events:,} events, found {len(items):,} of {users:,} "
            f"users: {ANEW}"
        )
    if not 0 <= items.min() <= items.max() < num_items:
        raise DataError(
            f"{folder}: damaged: items.npy has {items.min()} to {items.max()}, expected 0 to "
            f"{num_items - 1}: {ANEW}"
        )
    if kinds is not None and kinds.max() >= len(histories.kind_names):
        raise DataError(
            f"{folder}: damaged: kinds.npy has {kinds.max()}, expected below "
            f"{len(histories.kind_names)}: {ANEW}"
        )
    if offsets[0] != 0 or (np.diff(offsets) <= 0).any():
        raise DataError(f"{folder}: damaged: offsets.npy is not ascending from 0: {ANEW}")


def _kinds(folder: Path, content: dict[str, Any], config: DataConfig) -> tuple[str, ...]:
    """The names of the kinds that are asked for. Raises DataError for those of another column."""
    if config.kind_column is None:
        return ()
    if content.get("kind_column") != config.kind_column:
        raise DataError(
            f"{folder} was prepared with data.kind_column={content.get('kind_column') or 'none'}, "
            f"but {config.kind_column} was requested: change the setting, or {ANEW}"
        )
    return tuple(content["kinds"])


def _load(folder: Path, name: str) -> np.ndarray:
    array: np.ndarray = np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
    return array


def _load_ids(folder: Path, name: str, *, text: bool) -> StoredIds:
    data = _load(folder, name)
    return TextIds(data, _load(folder, f"{name}.bounds")) if text else data


def _settings(config: DataConfig) -> dict[str, Any]:
    """The settings that the order of events depends on."""
    chosen: dict[str, Any] = {"ties": config.ties}
    return {**chosen, "tie_seed": config.tie_seed} if config.ties == "random" else chosen


def _files(config: DataConfig) -> list[Path] | None:
    """The files of a source, None for a data set known by name."""
    if config.source in known.NAMES and not Path(config.source).exists():
        return None
    return [file.path for file in find_files(config)]


def _check_source(folder: Path, content: dict[str, Any]) -> None:
    """Raises DataError if the source exists, but with other files or another content."""
    states = content["files"]
    if states is None:
        return
    try:
        found = find_files(DataConfig(source=content["source"], format=content["format"]))
    except DataError:
        return  # moved, such as to another machine
    if {str(file.path) for file in found} != set(states):
        raise DataError(f"{folder}: files of {content['source']} were added or removed: {ANEW}")
    for name, (size, time, digest) in states.items():
        if _stamp(Path(name)) != [size, time] and _hash(Path(name)) != digest:
            raise DataError(f"{folder}: {name} changed since: {ANEW}")


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
