"""Events in memory: the data of a file, whatever the library, and every error by its message."""

import sys
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from recgrela_train.config import DataConfig
from recgrela_train.data import DataError, load_dataset
from recgrela_train.data.tables import load_table, read_table

NAMES = {"user_column": "who", "item_column": "what", "time_column": "when"}
FEW = pd.DataFrame(
    {"who": [7, 7, 2], "what": ["b", "a", "b"], "when": pd.to_datetime(["2026-01-02"] * 3)}
)


def read(table, **settings) -> list[tuple]:
    return read_table(table, DataConfig(**NAMES, **settings)).rows()


def error(table, **settings) -> str:
    with pytest.raises(DataError) as caught:
        read(table, **settings)
    return str(caught.value)


def events() -> pl.DataFrame:
    random = np.random.default_rng(1)
    days = random.integers(90, size=600)
    return pl.DataFrame(
        {
            "who": [f"u{user}" for user in random.integers(30, size=600)],
            "extra": random.random(600),
            "when": [datetime.fromtimestamp(1.7e9 + 86400 * int(day), UTC) for day in days],
            "what": random.integers(20, size=600),
        }
    )


@pytest.mark.parametrize(
    "convert",
    [pl.DataFrame.clone, pl.DataFrame.lazy, pl.DataFrame.to_pandas, pl.DataFrame.to_arrow],
    ids=["polars", "lazy", "pandas", "arrow"],
)
def test_a_table_is_read_as_its_file(tmp_path, convert):
    events().write_parquet(tmp_path / "events.parquet")
    settings = DataConfig(source=str(tmp_path / "events.parquet"), min_events=1, **NAMES)
    of_file, of_table = load_dataset(settings), load_table(convert(events()), settings)
    assert of_table.fingerprint == of_file.fingerprint
    assert list(of_table.user_ids) == list(of_file.user_ids)
    assert (of_table.times == of_file.times).all()


def test_pandas_columns_of_every_usual_type():
    day = datetime(2026, 1, 2)
    assert read(FEW) == [(7, "b", day), (7, "a", day), (2, "b", day)]
    assert read(FEW.assign(what=FEW.what.astype("category")))[1] == (7, "a", day)
    assert read(FEW.assign(what=pd.array([3, 4, 5], "Int64")))[1] == (7, 4, day)
    assert read(FEW.assign(when=[1.5, 2, 3]))[0] == (7, "b", 1.5)
    assert read(FEW[FEW.who == 2]) == [(2, "b", day)]
    vienna = FEW.assign(when=FEW.when.dt.tz_localize("Europe/Vienna"))
    assert read(vienna)[0][2].astimezone(UTC) == datetime(2026, 1, 1, 23, tzinfo=UTC)


def test_an_index_is_not_a_column():
    indexed = FEW.set_index("who")
    assert "'who' is the index, expected a column: pass table.reset_index()" in error(indexed)
    assert read(indexed.reset_index()) == read(FEW)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (FEW.drop(columns="who"), "no column 'who'; found: what, when"),
        (pa.Table.from_pandas(FEW).drop(["who"]), "no column 'who'; found: what, when"),
        (pd.concat([FEW, FEW[["who"]]], axis=1), "2 columns of the header are named 'who'"),
        (FEW[:0], "the table has no rows"),
        (FEW.assign(who=[1.0, 2.0, 3.0]), "'who' holds Float64; expected ids"),
        (FEW.assign(what=["a", 2, "c"]), "'what' cannot be read .* values of one type"),
        (FEW.assign(what=["a", None, "c"]), "row 2: no item; 1 of 3 events lack"),
        (FEW.assign(when=pd.to_datetime(["2026-01-02", None, None])), "row 2: no time; 2 of 3"),
        (FEW.assign(what=["a", "NA", "c"]), "row 2: the item 'NA' is a missing value"),
        (pl.from_pandas(FEW).lazy().filter(pl.col("where") > 1), 'unable to find column "where"'),
    ],
)
def test_errors_name_the_column_or_the_row(table, says):
    with pytest.raises(DataError, match=f"a table in memory.*{says}"):
        read(table)


def test_missing_values_are_dropped_on_request():
    with pytest.warns(UserWarning, match="1 of 3 events"):
        assert len(read(FEW.assign(what=["a", None, "c"]), missing="drop")) == 2


@pytest.mark.parametrize("wrong", ["events.csv", {"who": [1]}, FEW.who, None])
def test_what_is_no_table_is_refused(wrong):
    with pytest.raises(TypeError, match="expected a polars, pandas or Arrow table"):
        read(wrong)


def test_pandas_without_pyarrow(monkeypatch):
    def no_pyarrow(*_arguments):
        raise ModuleNotFoundError("No module named 'pyarrow'", name="pyarrow")

    monkeypatch.setattr(pl, "Series", no_pyarrow)
    assert "pip install pyarrow, or pass a polars DataFrame" in error(FEW)


def test_pandas_is_not_imported_for_other_tables(monkeypatch):
    monkeypatch.delitem(sys.modules, "pandas")
    assert len(read(pl.from_pandas(FEW))) == 3
    assert "pandas" not in sys.modules
