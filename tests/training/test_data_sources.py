"""Which files a source names: folders, globs, hive partitions; and what is refused, by file."""

from pathlib import Path

import polars as pl
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, read_pieces

COLUMNS = ["user_id", "item_id", "timestamp"]


def write(path: Path, *rows: tuple, columns: list[str] = COLUMNS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame([*rows], schema=columns, orient="row").write_parquet(path)
    return path


def read(source: Path | str, **settings) -> list[tuple]:
    pieces = read_pieces(DataConfig(source=str(source), **settings))
    return [row for piece in pieces for row in piece.events.rows()]


def error(source: Path | str, **settings) -> str:
    with pytest.raises(DataError) as caught:
        read(source, **settings)
    return str(caught.value)


def test_a_folder_is_read_by_name_without_hidden_files(tmp_path):
    write(tmp_path / "b.parquet", (2, 20, 2))
    write(tmp_path / "a" / "z.parquet", (1, 10, 1))
    (tmp_path / "c.csv").write_text("user_id,item_id,timestamp\n3,30,3\n")
    (tmp_path / "d.inter").write_text("user_id:token\titem_id:token\ttimestamp:float\n4\t40\t4\n")
    for name in ("_SUCCESS", ".b.parquet.crc", "_temporary/x.parquet", "synth.json", "about.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("not events")
    assert read(tmp_path) == [(1, 10, 1), (2, 20, 2), (3, 30, 3), (4, 40, 4)]


def test_a_folder_with_a_chosen_format_is_read_whole(tmp_path):
    (tmp_path / "part-0").write_text("user_id,item_id,timestamp\n3,30,3\n")
    assert "a folder without readable files" in error(tmp_path)
    assert read(tmp_path, format="csv") == [(3, 30, 3)]


def test_globs(tmp_path):
    for day in (1, 2):
        for part in (1, 2):
            write(tmp_path / f"day={day}" / f"part-{part}.parquet", (day, part, 0))
    every = [(1, 1, 0), (1, 2, 0), (2, 1, 0), (2, 2, 0)]
    assert read(tmp_path / "*" / "*.parquet") == every
    assert read(tmp_path / "**" / "part-?.parquet") == every
    assert read(tmp_path / "day=*") == every  # folders
    assert read(tmp_path / "*" / "part-2.parquet") == [(1, 2, 0), (2, 2, 0)]


def test_hive_partitions_are_columns_of_files_in_folders_only(tmp_path):
    columns = ["user_id", "item_id"]
    one = write(tmp_path / "timestamp=2026-11-30" / "a.parquet", (1, 10), columns=columns)
    write(tmp_path / "timestamp=2026-12-01" / "a.parquet", (1, 11), columns=columns)
    for source in (tmp_path, tmp_path / "timestamp=*", tmp_path / "*" / "a.parquet"):
        assert [(item, str(time)[:10]) for _, item, time in read(source)] == [
            (10, "2026-11-30"),
            (11, "2026-12-01"),
        ]
    assert "no column 'timestamp'; found: user_id, item_id" in error(one)


def test_brackets_are_no_wildcards_and_a_path_that_exists_is_no_glob(tmp_path):
    write(tmp_path / "events[12].parquet", (1, 1, 1))
    write(tmp_path / "events1.parquet", (2, 1, 1))
    write(tmp_path / "[12]" / "x*.parquet", (3, 1, 1))
    write(tmp_path / "[12]" / "xy.parquet", (4, 1, 1))
    assert read(tmp_path / "events[12].parquet") == [(1, 1, 1)]
    assert read(tmp_path / "events[12]*") == [(1, 1, 1)]
    assert read(tmp_path / "[12]" / "x*.parquet") == [(3, 1, 1)]
    assert read(tmp_path / "[12]" / "x?.parquet") == [(3, 1, 1), (4, 1, 1)]
    assert "no such file" in error(tmp_path / "events[1].parquet")


def test_sources_without_files(tmp_path):
    assert "a folder without readable files; expected Parquet" in error(tmp_path)
    assert error(tmp_path).endswith("It contains: no files")
    (tmp_path / "movies.dat").write_text("x")
    (tmp_path / "other").mkdir()
    assert error(tmp_path).endswith("It contains: movies.dat, other")
    assert "*.csv: no file matches this pattern; check data.source" in error(tmp_path / "*.csv")


def test_a_table_without_a_column_is_named(tmp_path):
    write(tmp_path / "a.parquet", (1, 1, 1))
    bad = write(tmp_path / "b.parquet", (1, 1, 1), columns=["user_id", "movie", "timestamp"])
    assert error(tmp_path).startswith(f"{bad}: no column 'item_id'; found: user_id, movie")


def test_partitions_without_rows_are_skipped_unless_all_are_empty(tmp_path):
    schema = dict.fromkeys(COLUMNS, pl.Int64)
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "a.parquet")
    assert f"{tmp_path}/a.parquet: the table has no rows" in error(tmp_path)
    pl.DataFrame(schema=schema).write_parquet(tmp_path / "b.parquet")
    assert f"{tmp_path}: 2 files: the table has no rows" in error(tmp_path)
    write(tmp_path / "c.parquet", (1, 1, 1))
    assert read(tmp_path) == [(1, 1, 1)]


def test_sequences_are_one_file(tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text("1 2\n3 4\n")
    assert "one of several files of sequences" in error(tmp_path / "*.txt")
    assert "one of several files of sequences" in error(tmp_path, format="user-sequences")


def test_rows_are_numbered_across_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("recgrela_train.data.parquet.PART", 2)
    rows = [(1, 1, "5"), (1, 2, "6"), (1, 3, "7"), (1, 4, "soon")]
    path = write(tmp_path / "a.parquet", *rows)
    message = error(path)
    assert f"{path}, row 4: the time 'soon'" in message
    assert "'item_id': 4" in message
    write(path, *[(1, 1, 1.0), (1, 1, 1.0), (1, 1, float("inf"))])
    assert f"{path}, row 3: the time in 'timestamp' is inf" in error(path)
    write(path, *[(1, i, i) for i in range(5)])
    assert read(path) == [(1, i, i) for i in range(5)]
