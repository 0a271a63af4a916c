"""The state folder, with one numbered folder per generation, and a folder of recommendations.

    STATE/000007/part-00000.fleet ...   users of each partition
    STATE/000007/run.json               written first: what the generation is made of
    STATE/000007/manifest.json          written last: without it the generation does not exist
    OUT/part-00000.parquet ...          recommendations of each partition
    OUT/_run.json                       written first: what they are made of
    OUT/_SUCCESS                        written last

The current generation is the highest one with a manifest. The one before it is kept: deleting the
folder of the current generation goes back to it.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .errors import BatchError
from .events import Moment, Taken, Tally
from .files import SUFFIX, make_folder, read_json, remove_leftovers, sync_folder, write_json
from .types import Types

FORMAT = 1
MANIFEST, RUN, OUT_RUN, SUCCESS = "manifest.json", "run.json", "_run.json", "_SUCCESS"
LOCK, SCRATCH = ".lock", ".scratch"


@dataclass(frozen=True)
class Run:
    """What a generation is made of; equal runs write equal bytes."""

    generation: int
    previous: int | None
    after: Moment | None
    """The watermark of the previous generation."""
    included: bool
    """Whether the previous generation includes the events at that time."""
    lineage: str
    """A hash of this run's input and of the previous lineage."""
    model: str
    """The model's fingerprint."""
    overlay: str | None
    """SHA-256 of the overlay's file."""
    partitions: int
    events: int
    digest: int
    unknown: str
    late: str

    @classmethod
    def read(cls, values: dict[str, Any]) -> "Run":
        """From JSON."""
        return cls(**{**values, "after": values["after"] and Moment(*values["after"])})


@dataclass(frozen=True)
class Manifest:
    """A generation that is complete."""

    run: Run
    types: Types
    watermark: Moment
    """The latest time of all events in the state."""
    at_watermark: Tally
    """All events in the state at that time."""
    added: list[Any]
    """The overlay's added items, in their order. The state depends on them."""
    appended: int
    unknown: int
    late: int
    included: int
    """Events that the previous generation included, skipped."""
    users: int

    @classmethod
    def read(cls, path: Path) -> "Manifest":
        """Raises BatchError for a file of another kind or version."""
        values = read_json(path)
        del values["format"]
        try:
            values["run"] = Run.read(values["run"])
            values["types"] = Types(**values["types"])
            values["watermark"] = Moment(*values["watermark"])
            values["at_watermark"] = Tally(**values["at_watermark"])
            return cls(**values)
        except (KeyError, TypeError) as error:
            raise BatchError(f"{path}: not a manifest of recgrela batch: {error}") from None

    def has(self, taken: Taken) -> bool:
        """Whether the generation was made of these events."""
        return Tally(self.run.events, self.run.digest) == taken.all


class State:
    """A state folder that exists, or will."""

    def __init__(self, folder: Path):
        """Raises BatchError if the folder has other files."""
        self.folder = folder
        if folder.exists() and not folder.is_dir():
            raise BatchError(f"{folder}: found a file, expected a state folder or a new name")
        names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
        numbers = [name for name in names if _is_generation(folder / name)]
        if foreign := {*names} - {*numbers, LOCK, SCRATCH}:
            raise BatchError(
                f"{folder}: found {min(foreign)!r}, which is not of a state folder of recgrela "
                "batch: name a new folder, or the right one"
            )
        self._numbers = [int(name) for name in numbers]

    def generation(self, number: int) -> Path:
        """The folder of a generation."""
        return self.folder / f"{number:06}"

    def manifest(self, number: int) -> Manifest | None:
        """Reads the manifest of a generation; None if it is not complete."""
        path = self.generation(number) / MANIFEST
        return Manifest.read(path) if path.exists() else None

    def current(self) -> Manifest | None:
        """The manifest of the current generation; None before the first one."""
        complete = [n for n in self._numbers if (self.generation(n) / MANIFEST).exists()]
        return self.manifest(max(complete)) if complete else None

    def begin(self, run: Run) -> None:
        """Makes the run's folder, or keeps the finished parts of an equal run that was ended."""
        folder, record = self.generation(run.generation), as_json(run)
        if folder.exists() and _read(folder / RUN) != record:
            self._delete(run.generation)
        make_folder(folder)
        write_json(folder / RUN, record)
        remove_leftovers(folder)

    def commit(self, manifest: Manifest) -> None:
        """Writes the manifest, with which the generation exists."""
        write_json(self.generation(manifest.run.generation) / MANIFEST, as_json(manifest))

    def prune(self, run: Run) -> None:
        """Deletes all generations but that of a committed run and the previous one."""
        for number in self._numbers:
            if number not in (run.generation, run.previous):
                self._delete(number)

    def _delete(self, number: int) -> None:
        """Never leaves half a generation: the next run deletes what is in the scratch folder."""
        doomed = self.folder / SCRATCH / f"deleted-{number}"
        self.generation(number).rename(doomed)
        sync_folder(self.folder)
        shutil.rmtree(doomed)


def begin_recommendations(folder: Path, record: dict[str, Any]) -> None:
    """Prepares the folder for a run, keeping the finished parts of an equal run.

    Raises BatchError if it has the recommendations of another run.
    """
    make_folder(folder)
    found = _read(folder / OUT_RUN)
    if found is not None and found != record and any(folder.glob("*.parquet")):
        names = [name for name in record if found.get(name) != record[name]]
        differences = ", ".join(
            f"{name} is {found.get(name)} there and {record[name]} now" for name in names
        )
        raise BatchError(
            f"{folder}: found recommendations of another run ({differences}): name a new folder"
        )
    write_json(folder / OUT_RUN, record)
    remove_leftovers(folder)


def check_recommendations(folder: Path) -> None:
    """Raises BatchError if the folder has files, but not those of `recgrela batch`."""
    if folder.exists() and not folder.is_dir():
        raise BatchError(f"{folder}: found a file, expected a folder for recommendations")
    names = sorted(entry.name for entry in folder.iterdir()) if folder.exists() else []
    names = [name for name in names if not name.endswith(SUFFIX)]
    if names and OUT_RUN not in names:
        raise BatchError(
            f"{folder}: found {names[0]!r} and no {OUT_RUN}, so it is not a folder of recgrela "
            "batch: name a new folder"
        )


def as_json(content: Run | Manifest) -> dict[str, Any]:
    """What `read_json` returns after it was written."""
    record: dict[str, Any] = json.loads(json.dumps(asdict(content)))
    return {"format": FORMAT, **record}


def _is_generation(path: Path) -> bool:
    """Whether it is a folder of ours; one that was just made has no file but RUN's."""
    if not (path.name.isascii() and path.name.isdigit() and len(path.name) == 6 and path.is_dir()):
        return False
    return (path / RUN).exists() or all(file.name.endswith(SUFFIX) for file in path.iterdir())


def _read(path: Path) -> dict[str, Any] | None:
    return read_json(path) if path.exists() else None
