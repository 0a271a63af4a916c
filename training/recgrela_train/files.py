"""Atomic writes: a crash, a full disk or Ctrl-C never leaves half a file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".unfinished"  # of a file that is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty temporary file, renamed to `path` when the block ends without an error.

    The block has to write and fsync it. An existing file at `path` stays until the rename.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=SUFFIX)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        what = f"{error.strerror or error}: nothing was written, the file is unchanged"
        raise type(error)(error.errno, what, str(path)) from None
    except BaseException:
        temporary.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Writes and fsyncs a temporary file, then renames it to `path`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Deletes temporary files left in a folder by killed processes."""
    for file in folder.glob(f".*{SUFFIX}"):
        file.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable, on systems that can open a folder."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
