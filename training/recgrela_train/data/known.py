"""Data sets known by name, downloaded to a cache folder on first use.

`ml-100k` (F. M. Harper and J. A. Konstan, *The MovieLens Datasets: History and Context*, ACM TiiS
5(4), 2015) may not be redistributed, so it is not part of this project. It is downloaded from its
official site or, if that is unreachable, taken from the example data of the RecBole wheel. Both are
verified against pinned checksums and yield the same three files: the events in RecBole's format
(`u.data` below a header line), the titles as `id<tab>title`, and year and genres for `data.items`.
"""

import difflib
import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

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
EVENTS, TITLES, ITEMS = "ml-100k.inter", "titles.tsv", "items.csv"
GENRES = (
    "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama",
    "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War",
    "Western",
)  # fmt: skip


class Film(NamedTuple):
    """A film of ml-100k."""

    item: str
    title: str  # with the year, unless that is unknown
    genres: list[str]  # none if they are unknown


def fetch(name: str, cache: Path | None = None) -> Path:
    """The events file of a known data set, downloaded if it is not in the cache folder.

    Raises DataError naming what failed and what to do by hand.
    """
    return _file(name, EVENTS, cache)


def fetch_items(name: str, cache: Path | None = None) -> Path:
    """The file of items of a known data set, for `data.items`; as `fetch`."""
    return _file(name, ITEMS, cache)


def item_titles(name: str, cache: Path | None = None) -> dict[int, str]:
    """The titles of a known data set by item id, such as `50: 'Star Wars (1977)'`."""
    text = _file(name, TITLES, cache).read_text(encoding="utf-8")
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


def _file(name: str, file: str, cache: Path | None) -> Path:
    """A file of a known data set, downloaded if necessary."""
    if name not in NAMES:
        raise unknown(name)
    path = (cache or cache_folder()) / name / file
    if not path.is_file():
        _fill(path.parent)
    return path


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
                    events, films = get(Path(scratch))
                    if hashlib.sha256(events).hexdigest() != EVENTS_SHA256:
                        raise FetchError("wrong sha256 checksum of the events")
                except FetchError as error:
                    console.print(f"ml-100k: {error}", style="yellow", markup=False)
                    failures.append(f"{source}: {error}")
                    continue
                write_atomically(folder / TITLES, _titles(films))
                write_atomically(folder / ITEMS, _items(films))
                write_atomically(folder / EVENTS, events)
                console.print(f"ml-100k: kept in {folder} (MovieLens, Harper and Konstan, 2015)")
                return
    except OSError as error:
        raise DataError(f"{error}: no ml-100k kept in {folder}; set RECGRELA_CACHE") from None
    reasons = "\n  ".join(failures)
    raise DataError(
        f"ml-100k could not be fetched:\n  {reasons}\n"
        f"Get ml-100k.zip from {OFFICIAL} elsewhere, and set data.source to its u.data"
    )


def _from_official(scratch: Path) -> tuple[bytes, list[Film]]:
    """Events and films from the official archive."""
    archive = download(OFFICIAL, OFFICIAL_HASH, scratch / "ml-100k.zip")
    with zipfile.ZipFile(archive) as files:
        events = EVENTS_HEADER + files.read("ml-100k/u.data")
        rows = files.read("ml-100k/u.item").decode("latin-1").splitlines()
    films = []
    for row in rows:
        item, title, *_, flags = row.split("|", 6)  # after that of an unknown genre
        # Two titles have text after the year: a blank, and ' (V)' for video.
        to_year = re.match(r".*\(\d{4}\)", title)
        chosen = zip(GENRES, flags.split("|"), strict=True)
        genres = [genre for genre, flag in chosen if flag == "1"]
        films.append(Film(item, to_year.group() if to_year else title, genres))
    return events, films


def _from_wheel(scratch: Path) -> tuple[bytes, list[Film]]:
    """Events and films from the example data in the RecBole wheel."""
    wheel = verify(download_wheel(WHEEL, scratch), WHEEL_SHA256)
    with zipfile.ZipFile(wheel) as files:
        events = files.read(f"{WHEEL_FOLDER}/ml-100k.inter")
        items = files.read(f"{WHEEL_FOLDER}/ml-100k.item")
    films = []
    for row in items.decode("utf-8").splitlines()[1:]:
        item, title, year, genres = row.split("\t")
        if year.isdigit():
            title = f"{title} ({year})"
        title = title.replace("unkonwn", "unknown")  # RecBole's spelling of 267
        films.append(Film(item, title, [genre for genre in GENRES if genre in genres.split()]))
    return events, films


def _titles(films: list[Film]) -> bytes:
    return "".join(f"{film.item}\t{film.title}\n" for film in films).encode()


def _items(films: list[Film]) -> bytes:
    rows = ["item_id,year,genres"]
    for film in films:
        year = re.search(r"\((\d{4})\)$", film.title)
        rows.append(f"{film.item},{year.group(1) if year else ''},{'|'.join(film.genres)}")
    return ("\n".join(rows) + "\n").encode()


SOURCES: dict[str, Callable[[Path], tuple[bytes, list[Film]]]] = {
    "the official site": _from_official,
    f"the {WHEEL} wheel": _from_wheel,
}
