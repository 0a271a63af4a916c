"""Data sorted on disk and in memory give the same bytes, in whatever files it arrives."""

import hashlib
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, load_dataset, load_histories, write_prepared
from recgrela_train.data.order import id_hashes
from recgrela_train.data.text_ids import TextIds

TIES = ["random", "file", "item", "recbole"]


@pytest.fixture(autouse=True)
def small_parts(monkeypatch):
    """Many parts and buckets from a small table."""
    monkeypatch.setattr("recgrela_train.data.parquet.PART", 64)
    monkeypatch.setattr("recgrela_train.data.spill.BUCKET", 100)


def table(kind: str = "integers", events: int = 600) -> pl.DataFrame:
    """Events with many ties; some rows are equal."""
    random = np.random.default_rng(5)
    columns = {
        "user_id": pl.Series(random.integers(0, 40, events) * 3 - 9),
        "item_id": pl.Series(random.integers(0, 30, events)),
        "timestamp": pl.Series(1_700_000_000 + random.integers(0, 9, events)),
    }
    frame = pl.DataFrame(columns)
    if kind != "integers":
        frame = frame.with_columns(
            pl.format("é-{}", name).alias(name) for name in ("user_id", "item_id")
        )
    return frame


def prepared(source: Path, folder: Path, **settings) -> DataConfig:
    config = DataConfig(source=str(source), **settings)
    write_prepared(config, folder)
    return config.model_copy(update={"source": str(folder)})


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("*.npy")}


def same(one, other) -> bool:
    arrays = all(
        np.array_equal(getattr(one, name), getattr(other, name)) for name in ("items", "offsets")
    )
    ids = list(one.item_ids) == list(other.item_ids) and list(one.user_ids) == list(other.user_ids)
    return arrays and ids and np.array_equal(one.times, other.times) and one.dated == other.dated


@pytest.mark.parametrize("ties", TIES)
@pytest.mark.parametrize("kind", ["integers", "text"])
def test_on_disk_as_in_memory(tmp_path, kind, ties):
    table(kind).write_parquet(tmp_path / "a.parquet")
    settings = {"ties": ties, "split": "leave_one_out"}
    here = load_histories(DataConfig(source=str(tmp_path / "a.parquet"), **settings))
    there = load_histories(prepared(tmp_path / "a.parquet", tmp_path / "p", **settings))
    assert same(here, there)
    assert len(here.items) == 600 and len(here.user_ids) == 40
    assert not list((tmp_path / "p").glob(".*"))  # nothing is left of the sort


def test_what_a_killed_process_left_is_deleted(tmp_path):
    table().write_parquet(tmp_path / "a.parquet")
    left = tmp_path / "p" / ".spill-x" / "piece-0.parquet"
    left.parent.mkdir(parents=True)
    left.write_text("x")
    prepared(tmp_path / "a.parquet", tmp_path / "p")
    assert not list((tmp_path / "p").glob(".*"))


def test_formats_without_types_and_times(tmp_path):
    (tmp_path / "a.txt").write_text("9 3 7 3\n1 2\n5 5 5\n" * 20)
    table().write_csv(tmp_path / "a.csv")
    for name in ("a.txt", "a.csv"):
        here = load_histories(DataConfig(source=str(tmp_path / name)))
        there = load_histories(prepared(tmp_path / name, tmp_path / "p"))
        assert same(here, there)
        assert (here.times is None) == (name == "a.txt")


TIMES = {
    "nanoseconds": pl.from_epoch(pl.Series([10**18 + n for n in (3, 1, 2, 2_000, 1_500)]), "ns"),
    "microseconds": pl.from_epoch(pl.Series([3, 1, 2, -5, 10**15]), "us"),
    "years": pl.Series(["9999-12-31", "1500-01-01", "2000-01-01", "1970-01-01", "1969-12-31"]),
    "seconds": pl.Series(["1700000000.5", "1700000000.25", "1700000000", "1700000001", "-1.5"]),
    "floats": pl.Series([1.7e9 + 0.5, 1.7e9, 1.7e9 + 0.25, -1.5, 2.0]),
    "integers": pl.Series([3, 1, 2, -5, 2**62]),
}


@pytest.mark.parametrize("kind", TIMES)
def test_all_kinds_of_times(tmp_path, kind):
    times = TIMES[kind]
    frame = pl.DataFrame({"user_id": [1] * 5, "item_id": range(5), "timestamp": times})
    (frame.write_csv if kind == "seconds" else frame.write_parquet)(
        tmp_path / ("a.csv" if kind == "seconds" else "a.parquet")
    )
    source = next(tmp_path.glob("a.*"))
    here = load_histories(DataConfig(source=str(source)))
    assert same(here, load_histories(prepared(source, tmp_path / "p")))
    values = times.to_list() if times.dtype != pl.String else [*map(str, times)]
    keys = [float(v) for v in values] if kind == "seconds" else times.rank("ordinal").to_list()
    if kind == "years":
        keys = [9999, 1500, 2000, 1970, 1969]
    assert here.items.tolist() == np.argsort(keys).tolist()
    assert (np.diff(here.times) >= 0).all()


@pytest.mark.parametrize("kind", ["integers", "text"])
def test_the_same_bytes_for_any_files_and_any_order(tmp_path, kind):
    whole = table(kind)
    results = []
    for number, files in enumerate((1, 3, 7)):
        folder = tmp_path / f"source{number}"
        folder.mkdir()
        rows = whole.sample(fraction=1, shuffle=True, seed=number)
        for part in range(files):
            rows[part::files].write_parquet(folder / f"{(part * 5) % 7}.parquet")
        prepared(folder, tmp_path / f"p{number}")
        results.append(contents(tmp_path / f"p{number}"))
    assert results[0] == results[1] == results[2]
    assert {"items.npy", "times.npy", "offsets.npy", "item_ids.npy"} <= set(results[0])


def test_file_order_is_by_name_of_file_then_by_row(tmp_path):
    for name, items in (("b", [5, 4]), ("a", [9, 8, 7])):
        rows = {"user_id": [1] * len(items), "item_id": items, "timestamp": [0] * len(items)}
        pl.DataFrame(rows).write_parquet(tmp_path / f"{name}.parquet")
    for config in (
        DataConfig(source=str(tmp_path), ties="file"),
        prepared(tmp_path, tmp_path / "p", ties="file"),
    ):
        histories = load_histories(config)
        assert histories.item_ids[histories.items].tolist() == [9, 8, 7, 5, 4]


def test_hashes_are_pinned():
    # Another library version must not change the order of ties.
    numbers = id_hashes(pl.Series([0, 1, -1]))
    assert numbers.tolist() == [16294208416658607535, 10451216379200822465, 16490336266968443936]
    texts = id_hashes(pl.Series(["a", "é"]))
    first = hashlib.blake2b("é".encode(), digest_size=8).digest()
    assert texts[1] == int.from_bytes(first, "little")


def test_the_order_of_ties_is_pinned(tmp_path):
    tied = pl.DataFrame({"user_id": [1] * 8, "item_id": range(8), "timestamp": [0] * 8})
    tied.write_parquet(tmp_path / "a.parquet")
    source = str(tmp_path / "a.parquet")
    assert load_histories(DataConfig(source=source)).items.tolist() == PINNED
    assert load_histories(DataConfig(source=source, tie_seed=1)).items.tolist() != PINNED


PINNED = [6, 3, 2, 5, 1, 7, 4, 0]


def test_ties_of_different_users_differ(tmp_path):
    rows = [(user, item, 0) for user in range(40) for item in range(2)]
    pl.DataFrame(rows, ["user_id", "item_id", "timestamp"], orient="row").write_parquet(
        tmp_path / "a.parquet"
    )
    first = load_histories(DataConfig(source=str(tmp_path / "a.parquet"))).items[::2]
    assert 8 < first.sum() < 32


def test_ids_stay_on_disk(tmp_path):
    table("text").write_parquet(tmp_path / "a.parquet")
    config = prepared(tmp_path / "a.parquet", tmp_path / "p")
    histories = load_histories(config)
    for ids in (histories.item_ids, histories.user_ids):
        assert isinstance(ids, TextIds)
        assert isinstance(ids.data, np.memmap) and isinstance(ids.bounds, np.memmap)
    users = load_dataset(config).user_ids
    assert isinstance(users, TextIds) and isinstance(users.data, np.memmap)
    assert users[0] == "é--3" and users[-1] == histories.user_ids[len(histories.user_ids) - 1]


def test_text_ids_are_a_sequence():
    texts = ["", "a", "é", "日本", "b" * 300]
    ids = TextIds.of(pl.Series(texts))
    assert list(ids) == texts and len(ids) == 5
    assert ids[1:3] == ["a", "é"] and ids[-1] == texts[-1]
    assert ids.index("日本") == 3 and "x" not in ids
    some = ids.take(np.array([3, 1, 0]))
    assert list(some) == ["日本", "a", ""]
    assert list(some.take(np.array([2, 0]))) == ["", "日本"]
    for place in (5, -6):
        with pytest.raises(IndexError):
            ids[place]
    assert list(TextIds.of(pl.Series([], dtype=pl.String))) == []


def test_types_that_differ_between_files_are_named(tmp_path):
    integers, texts = tmp_path / "a.parquet", tmp_path / "b.parquet"
    base = {"user_id": [1], "item_id": [2], "timestamp": [3]}
    pl.DataFrame(base).write_parquet(integers)
    for change, says in [
        ({"item_id": ["x"]}, f"item ids are integers in {integers}, but text in {texts}"),
        ({"timestamp": [3.5]}, f"whole or decimal numbers in {integers}, but floating-point"),
        (
            {"timestamp": ["2020-01-01"]},
            f"numbers in {integers}, but dates without a time zone in {texts}",
        ),
    ]:
        pl.DataFrame(base | change).write_parquet(texts)
        config = DataConfig(source=str(tmp_path))
        for read in (load_histories, lambda config: write_prepared(config, tmp_path / "p")):
            with pytest.raises(DataError) as caught:
                read(config)
            assert says in str(caught.value)


def test_dates_with_and_without_a_time_zone_are_not_mixed(tmp_path):
    naive = pl.DataFrame({"user_id": [1], "item_id": [2], "timestamp": [datetime(2026, 1, 1)]})
    naive.write_parquet(tmp_path / "a.parquet")
    zoned = naive.with_columns(pl.col("timestamp").dt.replace_time_zone("Europe/Berlin"))
    zoned.write_parquet(tmp_path / "b.parquet")
    with pytest.raises(DataError, match=r"without a time zone in .*a.parquet, but dates with a"):
        load_histories(DataConfig(source=str(tmp_path)))


def test_ids_of_text_files_are_integers_only_if_all_are(tmp_path):
    header = "user_id,item_id,timestamp\n"
    (tmp_path / "a.csv").write_text(header + "1,10,1\n")
    (tmp_path / "b.csv").write_text(header + "1,x,2\n")
    for config in (DataConfig(source=str(tmp_path)), prepared(tmp_path, tmp_path / "p")):
        histories = load_histories(config)
        assert list(histories.item_ids) == ["10", "x"]
        assert histories.user_ids.tolist() == [1]


def test_times_that_do_not_fit(tmp_path):
    base = {"user_id": [1] * 3, "item_id": [2] * 3}
    path = tmp_path / "a.parquet"
    pl.DataFrame(base | {"timestamp": [1e300, 1.0, 2.0]}).write_parquet(path)
    with pytest.raises(DataError, match=r"a\.parquet: the time 1e\+?300 does not fit"):
        load_histories(DataConfig(source=str(path)))
    pl.DataFrame(base | {"timestamp": [2**62, 1_700_000_000, 1_700_000_000]}).write_parquet(path)
    with pytest.raises(DataError, match="are not all dates in the years 1 to 9999"):
        load_histories(DataConfig(source=str(path)))
