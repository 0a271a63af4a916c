"""Features of items: reading their file, and turning it into codes and numbers."""

import numpy as np
import polars as pl
import pytest
from recgrela_train.config import ConfigError, DataConfig, change_config, load_config
from recgrela_train.data import DataError, load_features, loaded_columns, saved_columns

ITEMS = np.array([3, 1, 2, 9])
TABLE = pl.DataFrame(
    {
        "item_id": [1, 2, 3, 4],
        "title": ["a", "b", "c", "d"],
        "brand": ["x", "y", "x", "y"],
        "year": [1995, 1995, None, 1994],
        "genres": [["war", "war"], ["love", "war"], [], ["love"]],
        "price": [1.0, 3.0, float("nan"), 99.0],
        "text": [[3.0, 4.0], None, [0.0, 5.0], [1.0, 1.0]],
    }
)
CSV = """item_id,title,brand,year,genres,price
1,a,x,1995,war|war,1.0
2,b,y,1995,love| war,3.0
3,c,x,,,
4,d,y,1994,love,99
"""


def settings(path, *more: str) -> DataConfig:
    return load_config(None, [f"data.items={path}", *more]).data


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "items.parquet"
    TABLE.write_parquet(path)
    return path


def of(features, item: int) -> tuple[set[str], list[float]]:
    """The categories and numbers of an item, by its place."""
    names = [f"{c.name}={value}" for c in features.columns for value in c.values]
    codes = features.codes[features.offsets[item] : features.offsets[item + 1]]
    return {names[code] for code in codes}, features.dense[item].round(4).tolist()


@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_columns_are_read_by_their_types(parquet):
    features = load_features(settings(parquet), ITEMS)
    kinds = {column.name: column.kind for column in features.columns}
    assert kinds == {
        "brand": "categorical", "year": "categorical", "genres": "multi-valued",
        "price": "numeric", "text": "vector",
    }  # fmt: skip
    # Of items 3, 1 and 2, which are trained: brand x and year 1995 twice, war twice, prices 1 and 3
    # (mean 2, deviation 1), and vectors of norm 5.
    assert of(features, 0) == ({"brand=x"}, [0, 0, 1])
    assert of(features, 1) == (
        {"brand=x", "year=1995", "genres=war"},
        pytest.approx([-1, 0.6, 0.8]),
    )
    assert of(features, 2) == ({"year=1995", "genres=war"}, [1, 0, 0])
    assert of(features, 3) == (set(), [0, 0, 0])
    assert features.some.tolist() == [True, True, True, False]


def test_items_without_a_row_and_columns_that_say_nothing_are_named(parquet):
    with pytest.warns(UserWarning) as caught:
        load_features(settings(parquet), ITEMS)
    texts = [str(each.message) for each in caught]
    assert any("1 of the 4 items have no row, the first is 9" in text for text in texts)
    assert any("share a value of 'title': it is not used" in text for text in texts)


@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_text_files_have_the_same_features(parquet, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text(CSV)
    ours = load_features(settings(path), ITEMS)
    theirs = load_features(settings(parquet, "data.item_features=brand,year,genres,price"), ITEMS)
    assert ours.digest == theirs.digest
    path.write_text(CSV.replace(",", ";").replace("|", "/"))
    assert load_features(settings(path, "data.item_separator=/"), ITEMS).digest == theirs.digest


@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_new_items_are_read_as_the_trained_ones(parquet, tmp_path):
    columns = load_features(settings(parquet), ITEMS).columns
    columns = loaded_columns(saved_columns(columns))
    new = load_features(settings(parquet), np.array([4]), columns)
    assert of(new, 0) == (set(), pytest.approx([97, 0.2, 0.2]))
    assert new.unknown == 3  # brand y, 1994 and love, which one trained item has, or none
    path = tmp_path / "new.csv"
    path.write_text("item_id,brand,year,genres,price\n7,x,1995,war,2\n")  # no '|', no '.'
    columns = tuple(column for column in columns if column.name != "text")
    new = load_features(settings(path), np.array([7]), columns)
    assert of(new, 0) == ({"brand=x", "year=1995", "genres=war"}, [0])


def test_a_number_that_all_trained_items_share_is_not_scaled(tmp_path):
    path, ids = tmp_path / "items.parquet", np.arange(8)
    pl.DataFrame({"item_id": ids, "price": [0.1] * 7 + [0.2]}).write_parquet(path)
    trained = load_features(settings(path), ids[:7])
    assert not trained.some.any()
    new = load_features(settings(path), ids[7:], trained.columns)
    assert new.dense.tolist() == [[pytest.approx(0.1)]]


def test_columns_of_numbers_without_any_are_named(tmp_path):
    path, ids = tmp_path / "items.parquet", np.arange(3)
    columns = {"price": [None, None, 2.0], "text": [None, [], [1.0]], "brand": ["x", "x", "y"]}
    pl.DataFrame({"item_id": ids, **columns}).write_parquet(path)
    with pytest.warns(UserWarning) as caught:
        features = load_features(settings(path), ids[:2])
    assert [column.name for column in features.columns] == ["brand"]
    texts = [str(each.message).partition(": ")[2] for each in caught]
    assert texts == [
        f"none of the items has a value of '{name}': it is not used" for name in ("price", "text")
    ]


def test_chosen_columns_only(parquet):
    features = load_features(settings(parquet, "data.item_features=[brand]"), ITEMS[:3])
    assert [column.name for column in features.columns] == ["brand"]


@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_ids_of_text(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,brand\n1,x\n2,x\n")
    assert load_features(settings(path), ["2", "b", "1"]).some.tolist() == [True, False, True]
    with pytest.raises(DataError, match="none of the 1 items of the events; it has items such"):
        load_features(settings(path), ["c"])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"item_id": [1, 2, 2, 4]}, "item 2 is in rows 2 and 3; expected one row per item"),
        ({"item_id": [1, None, 3, 4]}, "row 2: no item id"),
        ({"item_id": [1.0, 2.0, 3.0, 4.0]}, "holds Float64; expected item ids"),
        ({"price": [1.0, float("inf"), 2.0, 3.0]}, "row 2: inf in 'price': expected a finite"),
        ({"text": [[1.0], [1.0, 2.0], [1.0], [1.0]]}, "row 2: a vector of 2 numbers in 'text'"),
        ({"text": [[1.0], [None], [1.0], [1.0]]}, "row 2: a number in the vector of 'text'"),
        ({"text": [[1.0], [2.0], [float("nan")], [1.0]]}, "row 3: a number in the vector"),
        ({"day": [pl.Series([1]).cast(pl.Date)[0]] * 4}, "'day' holds Date; expected"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, says):
    path = tmp_path / "items.parquet"
    TABLE.with_columns(pl.Series(k, v, strict=False) for k, v in change.items()).write_parquet(path)
    with pytest.raises(DataError) as caught:
        load_features(settings(path), ITEMS)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "more", "says"),
    [
        ("item_id\n1\n", [], "only item ids"),
        ("id,brand\n1,x\n", [], "no column 'item_id' of item ids; found: id, brand"),
        ("item_id,brand\n1,x\n", ["data.item_features=price"], "no column 'price', which is one"),
        ("item_id,brand\n", [], "no rows"),
        ("item_id,title\n1,a\n2,b\n", [], "no column says anything of more than one item"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_text_files_that_cannot_be_used(tmp_path, text, more, says):
    path = tmp_path / "items.csv"
    path.write_text(text)
    with pytest.raises(DataError, match=says):
        load_features(settings(path, *more), np.array([1, 2]))


@pytest.mark.filterwarnings("ignore:.*(no row|share)")
def test_new_items_of_other_columns_are_refused(parquet, tmp_path):
    columns = load_features(settings(parquet), ITEMS).columns
    path = tmp_path / "new.parquet"
    new = TABLE.with_columns(item_id=pl.Series([5, 6, 7, 8]))
    for change, says in (
        (new.drop("brand"), "no column 'brand', which the model was trained with"),
        (new.with_columns(price=pl.lit("cheap")), "'price' holds String; expected numeric"),
        (new.with_columns(genres=pl.lit("war")), "'genres' holds String; expected multi-valued"),
        (new.with_columns(text=[1.0]), "vectors of 1 numbers in 'text', but of 2"),
    ):
        change.write_parquet(path)
        with pytest.raises(DataError, match=says):
            load_features(settings(path), np.array([5]), columns)
    with pytest.raises(DataError, match="no such file"):
        load_features(settings(tmp_path / "absent"), np.array([5]), columns)


def test_settings():
    config = load_config(None, ["data.items=a.csv", "data.item_features=[brand, price]"])
    assert config.data.item_features == ("brand", "price")
    assert change_config(config, ["data.item_features=none"]).data.item_features is None
    assert load_config(None, ["data.hold_out_items=12.5%"]).data.held_out_share == 0.125
    for wrong, says in (
        (["data.item_features=brand"], "no file is named"),
        (["data.hold_out_items=10"], "such as 10%"),
        (["data.hold_out_items=0%"], "between 0% and 100%"),
        (["data.hold_out_items=10%", "data.split=none"], "holds out no events"),
    ):
        with pytest.raises(ConfigError, match=says):
            load_config(None, wrong)
