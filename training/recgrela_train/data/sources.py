"""Which files `data.source` names: a file, a folder, a glob, or a data set known by name."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..config import DataConfig
from . import known
from .errors import DataError
from .files import is_parquet
from .tables import IN_MEMORY

FORMATS = {
    "inter": "*.inter of RecBole",
    "ml-dat": "ratings.dat of MovieLens",
    "ml-csv": "ratings.csv of MovieLens",
    "u.data": "u.data of MovieLens",
    "csv": "*.csv or *.tsv with named columns; separated by a comma, tab, semicolon or bar",
    "parquet": "*.parquet with named columns",
    "sequences": "*.txt, one user per line",
    "user-sequences": "the same, each line starting with the user's id",
}
BY_NAME = {"ratings.dat": "ml-dat", "ratings.csv": "ml-csv", "u.data": "u.data"}
BY_SUFFIX = {
    ".inter": "inter",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".txt": "sequences",
}
PACKED = (".gz", ".bz2", ".xz")
SEQUENCES = ("sequences", "user-sequences")  # their users and order are those of one file
HIDDEN = (".", "_")  # such as _SUCCESS and .crc files of Spark


class SourceFile(NamedTuple):
    """One of the files of a source."""

    path: Path
    hive: bool
    """Folders below the source's, such as `day=2026-11-30`, are columns of the file."""


def find_files(config: DataConfig, cache: Path | None = None) -> list[SourceFile]:
    """The files of `config.source`; those of a folder or glob by name, without hidden ones.

    In a folder they are those with a known format, or all with a chosen `data.format`. A source
    that exists is never a glob. Raises DataError if there are none.
    """
    if config.source == IN_MEMORY:
        raise DataError(
            "the run's events were a table in memory: name a file of the same events with --set "
            "data.source=FILE, or pass the table in Python"
        )
    path = Path(config.source).expanduser()
    if config.source in known.NAMES and not path.is_file():
        if path.exists():
            raise DataError(
                f"data.source={config.source} is a known data set and also a folder "
                f"({path.resolve()}): name a file in the folder, or rename the folder"
            )
        return [SourceFile(known.fetch(config.source, cache), hive=False)]
    if path.is_dir():
        files = [*_in_folder(path, path, config)]
        if not files:
            raise _nothing_readable(path, config)
        return files
    if path.exists():
        return [SourceFile(path, hive=False)]
    if "*" in config.source or "?" in config.source:
        return _matches(path, config)
    if path.parent == Path() and not path.suffix:
        raise known.unknown(config.source)
    raise DataError(f"{path}: no such file; check data.source")


def detect(path: Path) -> str | None:
    """The format of a file by its name, ignoring case; Parquet by its content."""
    plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
    if is_parquet(path):
        return "parquet"
    return BY_NAME.get(plain.name.lower()) or BY_SUFFIX.get(plain.suffix.lower())


def _matches(pattern: Path, config: DataConfig) -> list[SourceFile]:
    """The files that a glob names, and those in the folders that it names."""
    fixed = Path()  # the folders above the first one with a wildcard
    for part in pattern.parts:
        if "*" in part or "?" in part:
            break
        fixed /= part
    files: dict[Path, SourceFile] = {}
    wanted = str(pattern.relative_to(fixed)).replace("[", "[[]")  # brackets are no wildcards
    for path in fixed.glob(wanted):
        if path.is_dir():
            files |= {file.path: file for file in _in_folder(path, fixed, config)}
        elif not path.name.startswith(HIDDEN):
            files[path] = SourceFile(path, _hive(path, fixed))
    if not files:
        raise DataError(
            f"{pattern}: no file matches this pattern; check data.source (* and ? are wildcards, "
            "** is any number of folders)"
        )
    return [files[path] for path in sorted(files)]


def _in_folder(folder: Path, root: Path, config: DataConfig) -> Iterator[SourceFile]:
    for path in sorted(folder.iterdir()):
        if path.name.startswith(HIDDEN):
            continue
        if path.is_dir():
            yield from _in_folder(path, root, config)
        elif config.format != "auto" or detect(path) not in (None, *SEQUENCES):
            yield SourceFile(path, _hive(path, root))


def _hive(path: Path, root: Path) -> bool:
    return any("=" in folder for folder in path.relative_to(root).parts[:-1])


def _nothing_readable(folder: Path, config: DataConfig) -> DataError:
    names = sorted(entry.name for entry in folder.iterdir())
    inside = ", ".join(names[:10] + ["..."] * (len(names) > 10)) or "no files"
    return DataError(
        f"{folder}: a folder without readable files; expected Parquet (*.parquet), *.csv, *.tsv or "
        f"*.inter, or a folder of recgrela-train prepare. It contains: {inside}"
    )
