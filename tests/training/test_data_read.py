"""Reading events: every format from a handwritten file, and every error by its message."""

import gzip
from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
from recgrela_train.config import DataConfig

from tests.training.reading import HEADER, THREE, error, read, write


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "a.inter",
            "user_id:token\titem_id:token\ttimestamp:float\n7\t30\t5\n7\t10\t4\n2\t30\t9\n",
        ),
        (
            "a.inter",
            "timestamp:float\tx:float\tuser_id:token\titem_id:token\n5\t\t7\t30\n4\t1\t7\t10\n9\t1\t2\t30\n",
        ),
        ("ratings.dat", "7::30::1::5\n7::10::3.5::4\n2::30::5::9\n"),
        ("u.data", "7\t30\t1\t5\n7\t10\t3\t4\n2\t30\t5\t9\n"),
        ("ratings.csv", "userId,movieId,rating,timestamp\n7,30,1.0,5\n7,10,3.5,4\n2,30,5.0,9\n"),
        ("a.csv", HEADER + '7,30,5\n"7","10",4\n2,30,9'),
        ("a.csv.gz", HEADER + "7,30,5\n7,10,4\n2,30,9\n"),
        (
            "windows.csv",
            "\ufeff" + HEADER.replace("\n", "\r\n") + "7,30,5\r\n7,10,4\r\n\r\n2,30,9\r\n",
        ),
    ],
)
def test_text_formats(tmp_path, name, content):
    assert read(write(tmp_path, name, content)) == THREE


def test_sequences_number_users_by_line_and_have_no_times(tmp_path):
    for name in ("a.txt", "a.txt.gz"):
        rows = read(write(tmp_path, name, "5 6 5\r\n\n  9\t8 \n"))
        assert rows == [(1, 5), (1, 6), (1, 5), (3, 9), (3, 8)]


def test_parquet_keeps_types(tmp_path):
    path = tmp_path / "a.parquet"
    pl.DataFrame(
        {
            "who": pl.Series([7, 7, 2], dtype=pl.UInt16),
            "what": ["1", "x", "1"],
            "when": [
                datetime(1970, 1, 1),
                datetime(1970, 1, 2),
                datetime(1970, 1, 1, 0, 0, 1, 500000),
            ],
        }
    ).write_parquet(path)
    columns = {"user_column": "who", "item_column": "what", "time_column": "when"}
    assert read(path, **columns) == [(7, "1", 0.0), (7, "x", 86400.0), (2, "1", 1.5)]


def test_named_columns_and_a_format_given(tmp_path):
    path = write(tmp_path, "log", "t,user,thing\n3,1,2\n")
    columns = {"user_column": "user", "item_column": "thing", "time_column": "t"}
    assert read(path, format="csv", **columns) == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["1", "-2"], [1, -2]),
        (["1", "007"], ["1", "007"]),
        (["1", "+2"], ["1", "+2"]),
        (["1", "2.0"], ["1", "2.0"]),
        (["1", "99999999999999999999"], ["1", "99999999999999999999"]),
        (["b", "movie-1"], ["b", "movie-1"]),
    ],
)
def test_ids_are_integers_when_no_spelling_is_lost(tmp_path, ids, expected):
    rows = read(write(tmp_path, "a.csv", HEADER + "".join(f"u,{i},0\n" for i in ids)))
    assert [row[1] for row in rows] == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (["3", "-4"], [3, -4]),
        (["3", "4.5"], [3.0, 4.5]),
        (["1970-01-01", "1970-01-02"], [0.0, 86400.0]),
        (["1970-01-01T00:00:00Z", "1970-01-01T00:00:01.5Z"], [0.0, 1.5]),
        (["1970-01-01T01:00:00+01:00", "1970-01-01T00:00:00+00:00"], [0.0, 0.0]),
    ],
)
def test_times(tmp_path, times, expected):
    rows = read(write(tmp_path, "a.csv", HEADER + "".join(f"1,2,{t}\n" for t in times)))
    assert [row[2] for row in rows] == expected


@pytest.mark.parametrize(
    ("name", "content", "line", "found", "says"),
    [
        (
            "a.csv",
            HEADER + "1,2,3\n\n1,2,soon\n",
            4,
            "1,2,soon",
            "neither a number nor an ISO date",
        ),
        ("a.csv", "\n\n" + HEADER + "1,2,soon\n", 4, "1,2,soon", "time 'soon'"),
        ("a.csv", HEADER + "1,2,nan\n", 2, "1,2,nan", "time 'nan'"),
        ("a.csv", HEADER + "1,2,03/04/2020\n", 2, "1,2,03/04/2020", "ISO date"),
        ("a.csv", HEADER + "1,2,2020-13-01\n", 2, "1,2,2020-13-01", "ISO date"),
        ("a.csv", HEADER + "1,2,2020-01-01\n1,2,2020-02-31\n", 3, "1,2,2020-02-31", "ISO date"),
        (
            "a.csv",
            HEADER + "1,2,2026-11-10T09:30:00+01:00\n1,2,2026-11-10T09:30:00\n",
            3,
            "1,2,2026-11-10T09:30:00",
            "has no time zone, but the first has one ('2026-11-10T09:30:00+01:00')",
        ),
        (
            "a.csv",
            HEADER + "1,2,2026-11-10 09:30\n1,2,2026-11-10 09:30Z\n",
            3,
            "1,2,2026-11-10 09:30Z",
            "has a time zone, but the first has none ('2026-11-10 09:30')",
        ),
        ("a.csv", HEADER + '1,"a\nb",3\n1,2,x\n', 4, "1,2,x", "time 'x'"),
        ("a.csv", HEADER + "1,2,3\n,2,3\n", 3, ",2,3", "no user"),
        ("a.csv", HEADER + '1,"",3\n', 2, '1,"",3', "no item"),
        ("a.csv", HEADER + "1,2,3\n1,2\n", 3, "1,2", "no time"),
        ("a.csv", HEADER + "1,2,3\n1,2,3,4\n", 3, "1,2,3,4", "4 fields; expected 3"),
        ("a.csv", HEADER + '1,2,3\n1,"2,3\n1,2,3\n', 3, '1,"2,3', "quotation mark"),
        ("a.csv", HEADER + '1,2,3\n1,""x"2"\n', 3, '1,""x"2"', "quotation mark"),
        ("a.csv.gz", HEADER + "1,2,x\n", 2, "1,2,x", "time 'x'"),
        (
            "a.inter",
            "user_id:token\titem_id:token\ttimestamp:float\n1\t\t3\n",
            2,
            r"1\t\t3",
            "no item",
        ),
        ("ratings.dat", "1::2::3::4\n1::2::3\n", 2, "1::2::3", "no time; expected UserID::MovieID"),
        ("ratings.dat", "1,2,3,4\n", 1, "1,2,3,4", "too few fields; expected UserID::MovieID"),
        ("u.data", "1 2 3 4\n", 1, "1 2 3 4", "too few fields; expected UserID<tab>MovieID"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, name, content, line, found, says):
    path = write(tmp_path, name, content)
    message = error(path)
    assert message.startswith(f"{path}, line {line}: ")
    assert message.endswith(f"found: '{found}'")
    assert says in message


def test_not_utf8(tmp_path):
    for name in ("a.csv", "a.txt"):
        path = write(tmp_path, name, HEADER.encode() + b"1,caf\xe9,3\n")
        assert error(path).startswith(f"{path}, line 2: not UTF-8 text (byte 0xe9); save the file")


@pytest.mark.parametrize("name", ["a.csv", "a.inter", "ratings.dat", "a.txt", "a.txt.gz"])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_empty_file(tmp_path, name, content):
    assert "the file is empty" in error(write(tmp_path, name, content))


def test_header_only(tmp_path):
    assert "a header without events" in error(write(tmp_path, "a.csv", HEADER))
    path = tmp_path / "a.parquet"
    pl.DataFrame(schema=["user_id", "item_id", "timestamp"]).write_parquet(path)
    assert "no rows" in error(path)


def test_missing_columns_name_the_found_and_the_setting(tmp_path):
    message = error(write(tmp_path, "a.csv", "user_id,movie,when\n1,2,3\n"))
    assert "no column 'item_id', 'timestamp'; found: user_id, movie, when" in message
    assert "set data.item_column, data.time_column" in message
    assert "data.user_column" not in message


def test_missing_columns_are_named_by_the_separator_of_the_file(tmp_path):
    message = error(write(tmp_path, "a.csv", "customer;sku, with a comma;when\n1;2;3\n"))
    assert "found: customer, sku, with a comma, when" in message
    message = error(write(tmp_path, "b.csv", "user_id;item_id;bought,at\n1;2;3\n"))
    assert "no column 'timestamp'; found: user_id, item_id, bought,at" in message


INTER = "user_id:token\titem_id:token\ttimestamp:float"


@pytest.mark.parametrize(
    ("name", "header", "row"),
    [
        ("a.csv", "user_id,item_id,timestamp,item_id", "1,2,3,4"),
        ("a.csv", '"item_id","user_id",item_id,timestamp', "1,2,3,4"),
        ("a.inter", f"{INTER}\titem_id:token", "1\t2\t3\t4"),
        ("a.inter", f"{INTER}\titem_id:float", "1\t2\t3\t4"),
    ],
)
def test_a_wanted_column_may_stand_in_the_header_once(tmp_path, name, header, row):
    message = error(write(tmp_path, name, f"{header}\n{row}\n"))
    assert "2 columns of the header are named 'item_id'" in message
    assert "data.item_column" in message


def test_other_columns_may_have_any_names(tmp_path):
    path = write(tmp_path, "a.csv", "x,,user_id,item_id,timestamp,x,\n8,8,1,2,3,8,8\n")
    assert read(path) == [(1, 2, 3)]
    path = write(tmp_path, "a.inter", f"{INTER}\tx:token\tx:float\n1\t2\t3\t8\t8\n")
    assert read(path) == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("ratings.csv", "userId,movieId,rating,timestamp\n7,30,1.0,5\n"),
        ("ratings.dat", "7::30::1::5\n"),
        ("u.data", "7\t30\t1\t5\n"),
        ("a.txt", "5 6 5\n"),
    ],
)
def test_a_format_with_columns_of_its_own_refuses_a_choice_of_columns(tmp_path, name, content):
    path = write(tmp_path, name, content)
    message = error(path, item_column="title")
    assert "data.item_column=title" in message
    assert "data.format=csv" in message
    assert "user_column" not in message
    if name == "ratings.csv":
        columns = {"user_column": "userId", "item_column": "rating"}
        assert read(path, format="csv", **columns) == [(7, "1.0", 5)]


def test_missing_file_folder_and_unknown_names(tmp_path):
    assert "no such file" in error(tmp_path / "no.csv")
    assert error(tmp_path).endswith("It contains: no files")
    write(tmp_path, "ratings.txt", "")
    write(tmp_path, "movies.dat", "")
    assert error(tmp_path).endswith("It contains: movies.dat, ratings.txt")
    assert "did you mean 'ml-100k'? Known: ml-100k" in error(Path("ml-10m"))
    assert "neither a file, a prepared folder nor a known data set; Known: ml-100k" in error(
        Path("zzz")
    )


def test_unknown_suffix_lists_the_formats(tmp_path):
    message = error(write(tmp_path, "events.xlsx", "x"))
    assert "set data.format to one of" in message
    formats = DataConfig.model_fields["format"].annotation.__args__
    assert all(f"\n  {name}: " in message for name in formats if name != "auto")


def test_broken_gzip(tmp_path):
    whole = gzip.compress(b"1 2 3\n" * 100)
    for data in (b"", whole[:-9], whole[:20] + b"\xff\xff\xff" + whole[23:]):
        path = tmp_path / "a.txt.gz"
        path.write_bytes(data)
        message = error(path)
        assert "incomplete or damaged gzip file" in message or (data == b"" and "empty" in message)


def test_parquet_errors(tmp_path):
    path = write(tmp_path, "a.parquet", "no parquet")
    assert "cannot be read as Parquet" in error(path)
    good = {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [5, 6]}
    for change, says in [
        ({"item_id": [3, None]}, "row 2: no item"),
        ({"item_id": [3.0, 4.0]}, "'item_id' holds Float64; expected ids"),
        ({"user_id": ["a", ""]}, "row 2: no user"),
        ({"timestamp": [b"5", b"6"]}, "'timestamp' holds Binary; expected numbers or dates"),
        ({"timestamp": ["5", "soon"]}, "row 2: the time 'soon' is neither a number nor an ISO"),
        ({"timestamp": [5.0, float("inf")]}, "row 2: the time in 'timestamp' is inf"),
    ]:
        pl.DataFrame(good | change).write_parquet(path)
        assert says in error(path)
    pl.DataFrame(good).drop("item_id").write_parquet(path)
    assert "no column 'item_id'; found: user_id, timestamp" in error(path)
