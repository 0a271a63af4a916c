"""Writing files so that a crash, a full disk or Ctrl-C never leaves half a file."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SUFFIX = ".unfinished"  # of a file that is being written


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, renamed over it when the block ends without an error.

    What stood there stays until then. The block writes the file and brings it to the disk.
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
        what = f"{error.strerror or error}: it was not written, and is as it was before"
        raise type(error)(error.errno, what, str(path)) from None
    except BaseException:
        temporary.unlink()
        raise


def write_atomically(path: Path, content: bytes) -> None:
    """Write beside `path`, then rename over it; what stood there stays until then."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def remove_leftovers(folder: Path) -> None:
    """Deletes the temporary files that killed processes left in a folder."""
    for file in folder.glob(f".*{SUFFIX}"):
        file.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """Brings a rename to the disk, where the system lets a folder be opened."""
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
