"""Opening the user's file: plain or gzip, with errors that a person can act on."""

import gzip
import zlib
from pathlib import Path

from .errors import DataError


def check_file(path: Path) -> None:
    """Raises DataError unless `path` is a file; for a folder the error names the files in it."""
    if path.is_dir():
        names = sorted(entry.name for entry in path.iterdir() if entry.is_file())
        inside = ", ".join(names[:10] + ["..."] * (len(names) > 10)) or "no files"
        raise DataError(f"{path} is a folder; data.source takes one file. It holds: {inside}")
    if not path.exists():
        raise DataError(f"{path}: no such file; check data.source")


def read_text_bytes(path: Path) -> bytes:
    """The bytes of a text file, unpacked when its name ends in `.gz`; never empty."""
    try:
        data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(
            f"{path}: not a whole gzip file ({error}); copy or download it again"
        ) from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    if not data.strip():
        raise DataError(f"{path}: the file is empty; expected one event or one user a line")
    return data


def decode(path: Path, data: bytes) -> str:
    """`data` as UTF-8, without a byte order mark; DataError names the first line that is not."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x}"
        raise DataError(
            f"{path}, line {line}: not UTF-8 text ({byte}); save the file as UTF-8"
        ) from None
