"""Files that were once read wrongly without a word, or refused with a misleading message."""

import bz2
import gzip
import lzma
from pathlib import Path

import polars as pl
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import load_dataset

from tests.training.reading import HEADER, THREE, error, read, warning, write


def test_a_path_names_one_file_and_is_no_pattern(tmp_path):
    names = [
        "events[12].parquet",
        "events1.parquet",
        "x*.parquet",
        "xy.parquet",
        "user_id=9/a.parquet",
    ]
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        table = {"user_id": [number], "item_id": [1], "timestamp": [1]}
        pl.DataFrame(table).write_parquet(tmp_path / name)
    for number, name in enumerate(names):
        assert read(tmp_path / name) == [(number, 1, 1)]


TITLED = "user_id,item_id,title,timestamp\n"


def test_stray_quotation_marks_inside_a_field_are_text(tmp_path):
    path = write(
        tmp_path, "a.csv", TITLED + '1,11,TV 42",101\n2,"12",it "is",102\n3,13,"""x"", y",103\n'
    )
    assert read(path) == [(1, 11, 101), (2, 12, 102), (3, 13, 103)]


def test_a_quotation_mark_left_open_swallows_no_event(tmp_path):
    path = write(
        tmp_path, "a.csv", TITLED + '1,11,"Hello,101\n2,12,Rocky "IV",102\n3,13,TV 42",103\n'
    )
    assert f"{path}, line 2: a quotation mark is not closed" in error(path)
    path = write(tmp_path, "a.csv", TITLED + '1,11,"Hello,101\n2,12,Rocky IV",102\n3,13,x,103\n')
    rows, says = warning(path)
    assert rows == [(1, 11, 102), (3, 13, 103)]  # as csv and pandas read it
    assert "span several lines (1 times, first in line 2)" in says


@pytest.mark.parametrize("long", ["x" * 140_000, '"' + "x" * 140_000 + '"', "x" * 140_000 + '"'])
def test_a_long_field_leaves_the_line_of_a_fault_alone(tmp_path, long):
    path = write(tmp_path, "a.csv", TITLED + f"1,11,{long},1\n2,12,y,2\n3,13,z,soon\n")
    assert error(path).startswith(f"{path}, line 4: the time 'soon'")


NANOSECONDS = [881250949, 881251189, 881251429, 881251669, 881251909, 881252149]


@pytest.mark.parametrize("ties", ["random", "item"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "text in parquet", "integers", "seconds"])
def test_times_below_a_microsecond_stay_in_order(tmp_path, kind, ties):
    dates = pl.from_epoch(pl.Series([10**18 + n for n in NANOSECONDS]), "ns")
    times = {
        "integers": [*(f"{10**18 + n}" for n in NANOSECONDS[:5]), f"{10**18 + NANOSECONDS[5]}.5"],
        "seconds": [f"1000000000.{n}" for n in NANOSECONDS],
        "parquet": dates,
    }.get(kind, dates.cast(pl.String))
    table = pl.DataFrame({"user_id": ["u"] * 6, "item_id": list("fedcba"), "timestamp": times})
    path = tmp_path / ("a.parquet" if "parquet" in kind else "a.csv")
    (table.write_parquet if "parquet" in kind else table.write_csv)(path)
    dataset = load_dataset(DataConfig(source=str(path), min_events=1, ties=ties, split="none"))
    assert [dataset.item_ids[i - 1] for i in dataset.history(0)] == list("fedcba")


def test_dates_that_nanoseconds_cannot_hold(tmp_path):
    path = write(tmp_path, "a.csv", HEADER + "1,2,9999-12-31\n1,2,2020-01-01\n")
    assert read(path)[0][2] > read(path)[1][2]
    path = write(tmp_path, "a.csv", HEADER + "1,2,2020-01-01 00:00:00.0000001\n1,2,9999-12-31\n")
    assert f"{path}, line 3: the time '9999-12-31'" in error(path)


@pytest.mark.parametrize("value", ["NULL", "\\N", "None", "nan", "NaN", "NA", " ", '""'])
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_missing_ids_are_counted_and_refused_unless_asked_for(tmp_path, value, kind):
    path = write(tmp_path, "a.csv", HEADER + f"1,2,3\n{value},2,4\n{value},3,5\n")
    if kind == "parquet":
        pl.read_csv(path, infer_schema=False).write_parquet(tmp_path / "a.parquet")
        path = tmp_path / "a.parquet"
    message = error(path)
    assert "2 of 3 events lack a user, item or time: data.missing=drop" in message
    assert ("line 3" if kind == "csv" else "row 2") in message
    rows, says = warning(path, missing="drop")
    assert [tuple(map(int, row)) for row in rows] == [(1, 2, 3)]
    assert "2 of 3 events" in says
    if value.strip(' "'):
        assert f"the user {value!r}" in message
        assert [row[0] for row in read(path, missing="keep")] == ["1", value, value]
    else:
        assert "no user" in error(path, missing="keep")


def test_missing_values_of_sequences_and_of_times(tmp_path):
    assert "the item 'None'" in error(write(tmp_path, "a.txt", "5 None 6\n"))
    pl.DataFrame(
        {"user_id": [1, 2], "item_id": [3, 4], "timestamp": [5.0, float("nan")]}
    ).write_parquet(path := tmp_path / "a.parquet")
    assert warning(path, missing="drop")[0] == [(1, 3, 5.0)]


def test_blanks_around_values_are_trimmed_and_said(tmp_path):
    rows, says = warning(
        write(tmp_path, "a.csv", "user_id, item_id,timestamp\n1,2,3\n1 ,2, 4\n 1,2,5\n")
    )
    assert rows == [(1, 2, 3), (1, 2, 4), (1, 2, 5)]
    assert "2 user ids have surrounding blanks, such as '1 '" in says


def test_two_spellings_of_a_number_are_said(tmp_path):
    rows, says = warning(write(tmp_path, "a.csv", HEADER + "1,12,3\n1,12.0,4\n1,x,5\n"))
    assert [row[1] for row in rows] == ["12", "12.0", "x"]
    assert "item ids spell a number in two ways, such as '12' and '12.0'" in says


@pytest.mark.parametrize(
    "lines", ["1 37 5 17\n2 5 5\n4 1 2\n", "u1 5 17\nu3 5\nu2 9 8\n", "1 37\n1 5\n2 37\n"]
)
def test_lines_that_start_with_the_user_are_asked_about(tmp_path, lines):
    path = write(tmp_path, "a.txt", lines)
    message = error(path)
    assert "data.format=user-sequences if they do, data.format=sequences if" in message
    first = [line.split()[0] for line in lines.splitlines()]
    rows = read(path, format="user-sequences")
    assert list(dict.fromkeys(str(row[0]) for row in rows)) == list(dict.fromkeys(first))
    assert [str(item) for _, item in rows] == [i for x in lines.splitlines() for i in x.split()[1:]]
    assert [str(row[1]) for row in read(path, format="sequences")] == lines.split()


@pytest.mark.parametrize(
    "lines", ["7 8 9\n5 0 0\n3 2 0\n", "0 0 0 1\n0 5 6 7\n", "-1 -1 4\n-1 4 5\n"]
)
def test_padding_is_named(tmp_path, lines):
    assert f"lines are padded with '{'-1' if '-1' in lines else '0'}'" in error(
        write(tmp_path, "a.txt", lines)
    )


def test_item_0_is_an_item(tmp_path):
    assert len(read(write(tmp_path, "a.txt", "0 0 5\n9 4 0 3\n7 8 0\n"))) == 10


def test_a_folder_by_the_name_of_a_known_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ml-100k").mkdir()
    message = error(Path("ml-100k"))
    assert "is a known data set and also a folder" in message
    assert str(tmp_path / "ml-100k") in message


def test_a_file_without_a_header(tmp_path):
    path = write(tmp_path, "a.csv", "196,242,881250949\n186,302,891717742\n")
    for settings in ({}, {"user_column": "196"}):
        message = error(path, **settings)
        assert f"{path}, line 1: the file seems to have no header; add a first line" in message
    assert "such as user_id,item_id,timestamp" in error(path)


@pytest.mark.parametrize("name", ["a.csv", "A.CSV", "a.tsv", "a.CSV.GZ"])
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_and_separator_are_found_in_the_content(tmp_path, name, separator, pack):
    path = tmp_path / name
    path.write_bytes(pack(f"{HEADER}7,30,5\n7,10,4\n2,30,9\n".replace(",", separator).encode()))
    assert read(path) == THREE


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_encodings_and_line_ends(tmp_path, encoding, end):
    text = (HEADER + "7,30,5\n7,10,4\n2,30,9\n").replace("\n", end)
    assert read(write(tmp_path, "a.csv", text.encode(encoding))) == THREE


def test_what_is_no_text_is_named(tmp_path):
    pl.DataFrame({"user_id": [1], "item_id": [2], "timestamp": [3]}).write_parquet(
        tmp_path / "a.csv"
    )
    assert read(tmp_path / "a.csv") == [(1, 2, 3)]
    assert "a Parquet file: set data.format=parquet" in error(tmp_path / "a.csv", format="csv")
    assert "a zip archive or a spreadsheet" in error(write(tmp_path, "a.csv", b"PK\x03\x04x"))
    assert "UTF-16 without a byte order mark" in error(
        write(tmp_path, "a.csv", HEADER.encode("utf-16-le"))
    )
    assert "incomplete or damaged bz2 file" in error(
        write(tmp_path, "a.csv", bz2.compress(b"1 2 3")[:-5])
    )


def test_control_characters_reach_no_terminal(tmp_path):
    message = error(write(tmp_path, "a.csv", "user\x1b[31m,item\x9b,\u202etime\n1,2,3\n"))
    assert r"found: user\x1b[31m, item\x9b, \u202etime" in message


def test_parquet_takes_text_as_times(tmp_path):
    path = tmp_path / "a.parquet"
    table = {
        "user_id": [1, 1],
        "item_id": [2, 3],
        "timestamp": ["1970-01-02", "1970-01-01T00:00:01"],
    }
    pl.DataFrame(table).write_parquet(path)
    assert read(path) == [(1, 2, 86400.0), (1, 3, 1.0)]
    pl.DataFrame(table).with_columns(pl.col("timestamp").cast(pl.Categorical)).write_parquet(path)
    assert read(path) == [(1, 2, 86400.0), (1, 3, 1.0)]
    pl.DataFrame(table | {"timestamp": ["5", "6"]}).write_parquet(path)
    assert read(path) == [(1, 2, 5), (1, 3, 6)]
