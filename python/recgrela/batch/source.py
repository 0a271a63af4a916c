"""What a run reads: Parquet files of events, and a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from ..columns import NAMES
from .errors import BatchError
from .types import Types


class ModelFiles(NamedTuple):
    """What a scorer is loaded from."""

    model: Path
    overlay: Path | None = None


class RowGroup(NamedTuple):
    """Some rows of a Parquet file."""

    path: Path
    number: int
    rows: int


@dataclass(frozen=True)
class Source:
    """Events of agreeing types, and the model for them."""

    name: str
    files: ModelFiles
    names: Sequence[str]
    """Of the columns user, item, time and, for a model with kinds, kind."""
    types: Types


@dataclass(frozen=True)
class ParquetSource(Source):
    """Parquet files of events, and the model for them."""

    events: Path
    groups: list[RowGroup]

    @classmethod
    def survey(
        cls, events: Path, files: ModelFiles, names: Sequence[str] = NAMES
    ) -> "ParquetSource":
        """Reads the schemas of a Parquet file, or of all `*.parquet` in a folder.

        Files and folders whose names start with `_` or `.` are not read. Raises BatchError naming
        the file that is no Parquet, lacks a column, or has other types than the first.
        """
        paths = _paths(events)
        types, groups = list[Types](), list[RowGroup]()
        for path in paths:
            try:
                with pq.ParquetFile(path) as file:
                    schema, about = file.schema_arrow, file.metadata
            except (pa.ArrowException, OSError) as error:
                raise BatchError(f"{path}: cannot be read as Parquet: {error}") from None
            types.append(Types.of(schema, names, str(path)))
            types[-1].check(types[0], str(path), str(paths[0]))
            groups += [
                RowGroup(path, number, about.row_group(number).num_rows)
                for number in range(about.num_row_groups)
            ]
        return cls(str(events), files, names, types[0], events, groups)


def _paths(events: Path) -> list[Path]:
    if events.is_file():
        return [events]
    if not events.is_dir():
        raise BatchError(f"{events}: found nothing there, expected a Parquet file or a folder")
    paths = [
        path
        for path in sorted(events.rglob("*.parquet"))
        if not any(name.startswith(("_", ".")) for name in path.relative_to(events).parts)
    ]
    if not paths:
        raise BatchError(f"{events}: found no *.parquet in this folder, expected files of events")
    return paths
