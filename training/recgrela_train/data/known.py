"""Data sets known by name, downloaded to a cache folder on first use.

`ml-100k` (F. M. Harper and J. A. Konstan, *The MovieLens Datasets: History and Context*, ACM TiiS
5(4), 2015) may not be redistributed, so it is not part of this project. It is downloaded from its
official site or, if that is unreachable, taken from the example data of the RecBole wheel. Both are
verified against pinned checksums and yield the same two files: the events in RecBole's format
(`u.data` below a header line) and the titles as `id<tab>title`.
"""

import difflib
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import platformdirs
from rich.console import Console

from ..files import write_atomically
from .download import FetchError, download, download_wheel, verify
from .errors import DataError

NAMES = ("ml-100k",)

OFFICIAL = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
OFFICIAL_HASH = "md5:0e33842e24a9c977be4e0107933c0723"
WHEEL = "recbole==1.2.1"
WHEEL_FOLDER = "recbole/dataset_example/ml-100k"
WHEEL_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
EVENTS_SHA256 = "4edb74e2a81178c2ba9ff381495f754f996c4aea351b1272ca36b43da0935eff"
EVENTS_HEADER = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"


def fetch(name: str, cache: Path | None = None) -> Path:
    """The events file of a known data set, downloaded if it is not in the cache folder.

    Raises DataError naming what failed and what to do by hand.
    """
    return _folder(name, cache) / f"{name}.inter"


def item_titles(name: str, cache: Path | None = None) -> dict[int, str]:
    """The titles of a known data set by item id, such as `50: 'Star Wars (1977)'`."""
    text = (_folder(name, cache) / "titles.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return {int(item): title for item, title in rows}


def unknown(name: str) -> DataError:
    """The error for a source that is neither a file nor a known name."""
    near = difflib.get_close_matches(name, NAMES, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return DataError(
        f"data.source '{name}' is neither a file, a prepared folder nor a known data set; {hint}"
        f"Known: {', '.join(NAMES)}"
    )


def cache_folder() -> Path:
    """`$RECGRELA_CACHE`, or the system's cache folder, such as `~/.cache/recgrela`."""
    chosen = os.environ.get("RECGRELA_CACHE")
    return Path(chosen).expanduser() if chosen else platformdirs.user_cache_path("recgrela")


def _folder(name: str, cache: Path | None) -> Path:
    """The folder of a known data set, downloaded if necessary."""
    if name not in NAMES:
        raise unknown(name)
    folder = (cache or cache_folder()) / name
    if not all((folder / file).is_file() for file in (f"{name}.inter", "titles.tsv")):
        _fill(folder)
    return folder


def _fill(folder: Path) -> None:
    """Downloads ml-100k. Files are written atomically, so several processes may do this at once."""
    console = Console(stderr=True)
    failures = []
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=folder.parent) as scratch:
            for source, get in SOURCES.items():
                console.print(f"ml-100k: fetching from {source}")
                try:
                    events, titles = get(Path(scratch))
                    if hashlib.sha256(events).hexdigest() != EVENTS_SHA256:
                        raise FetchError("wrong sha256 checksum of the events")
                except FetchError as error:
                    console.print(f"ml-100k: {error}", style="yellow", markup=False)
                    failures.append(f"{source}: {error}")
                    continue
                write_atomically(folder / "titles.tsv", titles)
                write_atomically(folder / "ml-100k.inter", events)
                console.print(f"ml-100k: kept in {folder} (MovieLens, Harper and Konstan, 2015)")
                return
    except OSError as error:
        raise DataError(f"{error}: no ml-100k kept in {folder}; set RECGRELA_CACHE") from None
    reasons = "\n  ".join(failures)
    raise DataError(
        f"ml-100k could not be fetched:\n  {reasons}\n"
        f"Get ml-100k.zip from {OFFICIAL} elsewhere, and set data.source to its u.data"
    )


def _from_official(scratch: Path) -> tuple[bytes, bytes]:
    """Events and titles from the official archive."""
    archive = download(OFFICIAL, OFFICIAL_HASH, scratch / "ml-100k.zip")
    with zipfile.ZipFile(archive) as files:
        events = EVENTS_HEADER + files.read("ml-100k/u.data")
        rows = files.read("ml-100k/u.item").decode("latin-1").splitlines()
    titles = []
    for row in rows:
        item, title, *_ = row.split("|")
        # Two titles have text after the year: a blank, and ' (V)' for video.
        to_year = re.match(r".*\(\d{4}\)", title)
        titles.append((item, to_year.group() if to_year else title))
    return events, _table(titles)


def _from_wheel(scratch: Path) -> tuple[bytes, bytes]:
    """Events and titles from the example data in the RecBole wheel."""
    wheel = verify(download_wheel(WHEEL, scratch), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as files:
        events = files.read(f"{WHEEL_FOLDER}/ml-100k.inter")
        items = files.read(f"{WHEEL_FOLDER}/ml-100k.item")
    titles = []
    for row in items.decode("utf-8").splitlines()[1:]:
        item, title, year, _ = row.split("\t")
        if year.isdigit():
            title = f"{title} ({year})"
        titles.append((item, title.replace("unkonwn", "unknown")))  # RecBole's spelling of 267
    return events, _table(titles)


def _table(titles: list[tuple[str, str]]) -> bytes:
    return "".join(f"{item}\t{title}\n" for item, title in titles).encode()


SOURCES: dict[str, Callable[[Path], tuple[bytes, bytes]]] = {
    "the official site": _from_official,
    f"the {WHEEL} wheel": _from_wheel,
}
