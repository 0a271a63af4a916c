"""Atomic writes: a crash or a full disk never leaves half a file."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from .errors import BatchError

SUFFIX = ".unfinished"  # of a file that is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name of a temporary file beside `path`, which the block writes.

    It is synced and renamed to `path` unless the block raises.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}{SUFFIX}")
    try:
        yield temporary
        with temporary.open("r+b") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes an object as indented JSON."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """An object that `write_json` wrote. Raises BatchError for anything else."""
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise BatchError(f"{path}: not a JSON file of recgrela batch: {error}") from None
    if not isinstance(content, dict) or content.get("format") != 1:
        found = content.get("format") if isinstance(content, dict) else content
        raise BatchError(
            f"{path}: found format {found!r}, expected 1: use the version of recgrela that wrote "
            "it, or another folder"
        )
    return content


def remove_leftovers(folder: Path) -> None:
    """Deletes temporary files of killed processes: of `replacing` and of `Fleet.save`."""
    for pattern in (f".*{SUFFIX}", "*.fleet.*.part"):
        for file in folder.glob(pattern):
            file.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it that do not exist, durably."""
    if not folder.parent.exists():
        make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Makes new names in a folder durable, on systems that can open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
