"""Kinds of events: how they are read, stored, split and batched."""

import numpy as np
import polars as pl
import pytest
import torch
from datasets import make_dataset
from reading import error, read, write
from recgrela_train.config import ConfigError, DataConfig, load_config
from recgrela_train.data import (
    DataError,
    EvaluationBatches,
    PrefixBatches,
    WindowBatches,
    load_dataset,
    load_table,
    prepare,
    read_pieces,
    write_prepared,
)
from recgrela_train.data.split import drop_consecutive

ROWS = [  # user, item, time, kind
    (1, "a", 1, "view"), (1, "a", 2, "cart"), (1, "b", 3, "view"), (1, "a", 4, "buy"),
    (1, "c", 5, "view"), (1, "c", 6, "buy"), (1, "b", 7, "view"),
    (2, "b", 1, "view"), (2, "b", 2, "view"), (2, "b", 8, "buy"), (2, "a", 9, "view"),
]  # fmt: skip
CSV = "user_id,item_id,timestamp,event\n" + "".join(f"{u},{i},{t},{k}\n" for u, i, t, k in ROWS)
KINDS = ("buy", "cart", "view")


def table(rows=ROWS) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["user", "item", "time", "kind"], orient="row")


def dataset(rows=ROWS, **settings):
    return make_dataset(table(rows), kind_column="kind", **settings)


def kinds_of(data, user: int) -> list[str]:
    begin, end = data.offsets[user : user + 2]
    return [data.kind_names[code] for code in data.kinds[begin:end]]


@pytest.mark.parametrize("form", ["csv", "inter", "parquet", "polars", "pandas", "prepared"])
def test_kinds_of_every_source(tmp_path, form):
    settings = {"kind_column": "event", "min_events": 1, "split": "none"}
    path = write(tmp_path, "events.csv", CSV)
    config = DataConfig(source=str(path), **settings)
    events = pl.read_csv(path)
    if form == "inter":
        header = "user_id:token\titem_id:token\ttimestamp:float\tevent:token"
        body = CSV.partition("\n")[2].replace(",", "\t")
        config = DataConfig(source=str(write(tmp_path, "e.inter", f"{header}\n{body}")), **settings)
    elif form == "parquet":
        events.write_parquet(tmp_path / "events.parquet")
        config = DataConfig(source=str(tmp_path / "events.parquet"), **settings)
    elif form == "prepared":
        write_prepared(config, tmp_path / "folder")
        config = DataConfig(source=str(tmp_path / "folder"), **settings)
    found = (
        load_table(events if form == "polars" else events.to_pandas(), config)
        if form in ("polars", "pandas")
        else load_dataset(config)
    )
    assert found.kind_names == KINDS
    assert found.kinds.dtype == np.uint8
    assert kinds_of(found, 0) == [kind for user, _, _, kind in ROWS if user == 1]
    assert kinds_of(found, 1) == [kind for user, _, _, kind in ROWS if user == 2]
    assert "kinds of events: 3 buy, 1 cart, 7 view" in found.describe()


def test_a_prepared_folder_is_also_for_runs_without_kinds_and_refuses_another_column(tmp_path):
    path = write(tmp_path, "events.csv", CSV)
    config = DataConfig(source=str(path), kind_column="event", min_events=1, split="none")
    write_prepared(config, tmp_path / "folder")
    source = {"source": str(tmp_path / "folder")}
    without = load_dataset(config.model_copy(update=source | {"kind_column": None}))
    assert (without.kinds, without.kind_names) == (None, ())
    plain = load_dataset(config.model_copy(update={"kind_column": None}))
    assert without.fingerprint == plain.fingerprint
    with pytest.raises(DataError, match=r"prepared with data.kind_column=event, but type was"):
        load_dataset(config.model_copy(update=source | {"kind_column": "type"}))


def test_integers_are_kinds_too(tmp_path):
    events = pl.DataFrame({"user_id": [1, 1], "item_id": [1, 2], "timestamp": [1, 2]})
    config = DataConfig(kind_column="stars", min_events=1, split="none")
    assert load_table(events.with_columns(stars=pl.Series([5, 3])), config).kind_names == ("3", "5")
    with pytest.raises(DataError, match=r"column 'stars' holds Float64; expected kinds of events"):
        load_table(events.with_columns(stars=pl.Series([5.0, 3.0])), config)


@pytest.mark.parametrize("blank", ["", "  ", "NULL", "nan"])
def test_missing_kinds_are_refused_or_dropped(tmp_path, blank):
    path = write(tmp_path, "e.csv", CSV.replace("1,a,2,cart", f"1,a,2,{blank}"))
    found = error(path, kind_column="event")
    assert f"{path}, line 3" in found
    assert "1 of 11 events lack a user, item, time or kind: data.missing=drop drops them" in found
    with pytest.warns(UserWarning, match="lack a user, item, time or kind"):
        assert len(read_kinds(path, missing="drop")) == 10


def read_kinds(path, **settings) -> pl.DataFrame:
    config = DataConfig(source=str(path), kind_column="event", **settings)
    return pl.concat(piece.events for piece in read_pieces(config))


def test_kinds_are_trimmed_and_have_a_length(tmp_path):
    path = write(tmp_path, "e.csv", CSV.replace("2,cart", "2, cart "))
    assert read_kinds(path)["kind"].to_list()[1] == "cart"
    path = write(tmp_path, "e.csv", CSV.replace("2,cart", "2," + "é" * 32))
    assert read_kinds(path)["kind"].to_list()[1] == "é" * 32
    path = write(tmp_path, "e.csv", CSV.replace("2,cart", "2," + "é" * 33))
    found = error(path, kind_column="event")
    assert "has 66 bytes; a kind of events has 64 at most" in found
    assert "line 3" in found


def test_a_column_that_is_missing_or_cannot_be(tmp_path):
    path = write(tmp_path, "e.csv", CSV)
    assert "no column 'type'; found: user_id, item_id, timestamp, event" in error(
        path, kind_column="type"
    )
    lines = write(tmp_path, "walks.txt", "1 2 3\n4 5\n")
    assert "data.kind_column=event has no effect on format sequences" in error(
        lines, kind_column="event"
    )
    assert read(path) == [(u, i, t) for u, i, t, _ in ROWS]  # without a setting it is not read


def test_more_kinds_than_a_row_number_can_name():
    rows = [(1, "a", n, f"kind-{n:03}") for n in range(256)]
    assert len(dataset(rows[:255]).kind_names) == 255
    with pytest.raises(DataError, match=r"256 kinds of events, such as kind-000, .* 255 at most"):
        dataset(rows)


@pytest.mark.parametrize("ties", ["random", "item"])
def test_ties_of_one_item_are_ordered_by_kind_whatever_the_order_of_rows(ties):
    rows = [(1, "a", 5, kind) for kind in ("view", "cart", "buy")]
    for order in (rows, rows[::-1]):
        assert kinds_of(dataset(order, ties=ties), 0) == ["buy", "cart", "view"]


def test_consecutive_events_of_other_kinds_are_no_repeats():
    rows = [(1, "a", t, kind) for t, kind in enumerate(("view", "view", "cart", "cart", "view"))]
    kept = drop_consecutive(prepare(table(rows), "file", 0))
    assert [kept.kind_names[code] for code in kept.kinds] == ["view", "cart", "view"]


def test_the_kinds_of_a_model():
    known = ("view", "buy", "cart", "gift")
    found = dataset(split="none", kinds=known)
    assert found.kind_names == known
    assert kinds_of(found, 0) == [kind for user, _, _, kind in ROWS if user == 1]
    extended = dataset(split="none", kinds=("view", "gift"), vocabulary=["a"], extend=True)
    assert extended.kind_names == ("view", "gift", "buy", "cart")
    says = "events of the kind 'buy', but the model knows only view, cart: remove them"
    with pytest.raises(DataError, match=says):
        dataset(kinds=("view", "cart"))
    with pytest.raises(DataError, match="the model was trained without kinds: omit"):
        dataset(kinds=())
    with pytest.raises(DataError, match=r"knows the kinds of events view and .* set data.kin"):
        make_dataset(table().drop("kind"), kinds=("view",))


def test_the_fingerprint_knows_kinds_and_targets():
    plain = make_dataset(table().drop("kind"), split="none").fingerprint
    other = [(*row[:3], "view") for row in ROWS]
    found = {
        plain,
        dataset(split="none").fingerprint,
        dataset(other, split="none").fingerprint,
        dataset(split="none", targets=["buy"]).fingerprint,
        dataset(split="none", targets=["buy", "cart"]).fingerprint,
    }
    assert len(found) == 5
    assert dataset(other, split="none").kind_names == ("view",)


def shown(data, split: str) -> list[tuple]:
    targets = data.targets(split)
    names = [data.kind_names[kind] for kind in targets.kinds]
    items = [data.item_ids[item - 1] if item else None for item in targets.items]
    return list(zip(targets.users, (targets.stops - targets.starts), items, names, strict=True))


def test_there_has_to_be_a_training_event_to_predict():
    cuts = {"split": "time", "validation_from": "4", "test_from": "6"}
    with pytest.raises(DataError, match=r"no training event is of data\.targets=cart"):
        dataset(**cuts | {"validation_from": "2"}, targets=["cart"])


def test_targets_by_time():
    rows = [(3, "a", 0, "buy"), *ROWS]  # trained on
    cuts = {"split": "time", "validation_from": "4", "test_from": "6"}
    assert shown(dataset(rows, **cuts), "validation") == [(0, 3, "a", "buy"), (0, 4, None, "view")]
    data = dataset(rows, **cuts, targets=["buy"])
    assert shown(data, "validation") == [(0, 3, "a", "buy")]
    assert shown(data, "test") == [(0, 4, None, "buy"), (1, 2, "b", "buy")]
    assert "predicted: buy" in data.describe()[1]
    assert data.target_counts.tolist() == [1, 0]
    assert data.train_counts.sum() == 6


def test_leave_one_out_holds_out_the_last_two_of_the_chosen_kinds():
    rows = [(1, "abcdefgh"[n], n, "view" if n % 2 else "buy") for n in range(8)]
    rows += [(2, "a", n, "view") for n in range(9)] + [(2, "b", 10 + n, "buy") for n in range(2)]
    data = dataset(rows, targets=["buy"])
    assert [shown(data, s) for s in ("validation", "test")] == [
        [(0, 4, "e", "buy")], [(0, 6, "g", "buy")]
    ]  # fmt: skip
    assert (data.train_stops - data.offsets[:-1]).tolist() == [4, 11]
    assert shown(dataset(rows), "test") == [(0, 7, "h", "view"), (1, 10, "b", "buy")]


def test_unknown_targets_are_kinds_to_predict():
    with pytest.raises(DataError, match=r"data.targets has 'gift', expected .*: buy, cart, view"):
        dataset(targets=["gift"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("buy,cart", ("buy", "cart")),
        ("[buy, cart]", ("buy", "cart")),
        ("none", None),
        ("buy", ("buy",)),
    ],
)
def test_targets_as_settings(text, expected):
    config = load_config(None, ["data.kind_column=event", f"data.targets={text}"])
    assert config.data.targets == expected
    with pytest.raises(ConfigError, match="targets=buy are kinds of events, but kind_column is"):
        load_config(None, ["data.targets=buy"])


def many(seed=0, users=25):
    random = np.random.default_rng(seed)
    rows = []
    for user in range(users):
        for time in range(random.integers(1, 40)):
            kind = KINDS[random.integers(3)]
            rows.append((user, f"i{random.integers(30):02}", time, kind))
    return rows


@pytest.mark.parametrize("carry_state", [True, False])
def test_batches_have_the_kind_of_each_input_and_predict_the_chosen_ones(carry_state):
    data = dataset(many(), split="none", targets=["buy"])
    pairs, firsts = [], 0
    batches = WindowBatches(data, 5, 4, carry_state, 1, firsts=True)
    for batch in batches:
        inside = batch["inputs"] > 0
        assert (batch["kinds"][~inside] == 0).all()
        pairs += zip(batch["inputs"][inside].tolist(), batch["kinds"][inside].tolist(), strict=True)
        firsts += len(batch["firsts"])
    windows = [
        (item, kind)
        for begin, end in zip(data.offsets[:-1], data.offsets[1:], strict=True)
        for item, kind in zip(data.items[begin : end - 1], data.kinds[begin : end - 1], strict=True)
    ]
    assert sorted(pairs) == sorted(windows)
    predicted = sum(int((batch["targets"] > 0).sum()) for batch in batches)
    first_events = data.offsets[:-1]
    assert predicted == data.predicted.sum() - data.predicted[first_events].sum()
    assert firsts == data.predicted[first_events].sum()
    prefixes = list(PrefixBatches(data, 5, 4, 1))
    assert sum(int((batch["targets"] > 0).sum()) for batch in prefixes) == predicted
    for batch in prefixes:
        assert batch["kinds"].shape == batch["inputs"].shape


def test_evaluation_batches_have_the_kinds_of_their_histories():
    data = dataset(many(), split="time", validation_from="15", test_from="25")
    for batch in EvaluationBatches(data, data.targets("test"), 4):
        for history, kinds in zip(batch.histories, batch.kinds, strict=True):
            assert len(history) == len(kinds)
        for _, inputs in batch.chunks(7):
            assert inputs.kinds.shape == inputs.items.shape
        windows = batch.windows(5)
        for number, row in enumerate(batch.rows):
            stop = batch.stops[number]
            wanted = batch.kinds[row][max(0, stop - 5) : stop].tolist()
            assert windows.kinds[number, : len(wanted)].tolist() == wanted
    assert isinstance(windows.to(torch.device("cpu")).kinds, torch.Tensor)
