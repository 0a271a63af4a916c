"""Reads the user's files, detecting compression and encoding by content."""

import bz2
import codecs
import gzip
import lzma
import zlib
from pathlib import Path

from .errors import DataError

UNPACK = {b"\x1f\x8b": gzip, b"BZh": bz2, b"\xfd7zXZ": lzma}
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
PARQUET = b"PAR1"
NOT_TEXT = {
    PARQUET: "a Parquet file: set data.format=parquet",
    b"PK\x03\x04": "a zip archive or a spreadsheet: unpack it, or save it as CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it",
    b"SQLite format 3": "a database: export a CSV file of it",
}


def is_parquet(path: Path) -> bool:
    """Whether a file starts with Parquet's magic bytes; pipes are not read."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(PARQUET)) == PARQUET
    except OSError as error:
        raise _unreadable(path, error) from None


def read_text_bytes(path: Path) -> bytes:
    """The content of a text file: decompressed, UTF-8 without a byte order mark, not empty."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from None
    for magic, module in UNPACK.items():
        if data.startswith(magic):
            try:
                data = module.decompress(data)
            except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError) as error:
                raise DataError(
                    f"{path}: incomplete or damaged {module.__name__} file ({error}); copy or "
                    "download it again"
                ) from None
            break
    if not data.strip():
        raise DataError(f"{path}: the file is empty; expected one event or one user per line")
    for magic, what in NOT_TEXT.items():
        if data.startswith(magic):
            raise DataError(f"{path}: not text, but {what}")
    return _as_utf8(path, data)


def _as_utf8(path: Path, data: bytes) -> bytes:
    try:
        if data.startswith(UTF16):
            data = data.decode("utf-16").encode()
        data = data.removeprefix(codecs.BOM_UTF8)
        data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        byte = f"byte 0x{data[error.start]:02x}"
        raise DataError(
            f"{path}, line {line}: not UTF-8 text ({byte}); save the file as UTF-8"
        ) from None
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise DataError(
            f"{path}, line {line}: a NUL byte: not text, or UTF-16 without a byte order mark; "
            "save the file as UTF-8"
        )
    return data if b"\n" in data else data.replace(b"\r", b"\n")  # classic Mac line ends


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"{path}: cannot be read: {error.strerror}")
