"""Hashes are fixed, and events are ordered as the trainer orders them."""

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from recgrela.batch import BatchError, Moment, partition_of
from recgrela.batch.events import canonical
from recgrela.batch.hashing import TIE_SEED, id_hashes, mix
from recgrela.batch.spill import in_order
from recgrela.batch.types import Types
from recgrela_train.config import DataConfig
from recgrela_train.data import order
from recgrela_train.data.coded import encode, whole_times
from recgrela_train.data.pieces import Piece

from tests.engine.batch_data import user_ids


def test_partitions_are_those_of_yesterday():
    """Values that no release may change: a state of the day before is divided by them."""
    numbers = pa.array([0, 1, -1, 2**63 - 1, 12345])
    texts = pa.array(["", "a", "user-7", "Ähre-電影"])
    assert partition_of(numbers, 1000).tolist() == [535, 465, 936, 39, 944]
    assert partition_of(texts, 1000).tolist() == [756, 928, 814, 469]


def test_partitions_of_chunks_dictionaries_and_integers_beyond_64_bits():
    texts = pa.array(["", "a", "user-7"])
    expected = partition_of(texts, 1000).tolist()
    assert partition_of(texts.dictionary_encode(), 1000).tolist() == expected
    chunks = pa.chunked_array([texts[:1], texts[1:]])
    assert partition_of(chunks, 1000).tolist() == expected
    with pytest.raises(BatchError, match="does not fit into a signed integer of 64 bits"):
        partition_of(pa.array([2**64 - 1], pa.uint64()), 1000)


def test_text_views_with_nulls_are_counted_as_missing():
    users = pa.array(["a", None, "b"], pa.string_view())
    batch = pa.record_batch({"user": users, "item": [1, 2, 3], "time": [1, 2, 3]})
    [(events, missing)] = canonical([batch])
    assert events["user"].to_pylist() == ["a", "b"]
    assert missing == {("user", "events"): 1}


def test_dates_with_and_without_a_zone_are_of_different_types():
    schemas = [pa.schema({"user": pa.int64(), "item": pa.int64(), "time": pa.timestamp("ns", zone)})
               for zone in (None, "UTC")]  # fmt: skip
    plain, zoned = (Types.of(schema, ("user", "item", "time"), "events") for schema in schemas)
    with pytest.raises(BatchError, match="each time is of type zoned date, but the state has type"):
        zoned.check(plain, "events", "the state")
    moment = Moment(10**15 + 1, 7)
    assert moment.text(plain) == "2001-09-09T01:46:40.000001007"
    assert moment.text(zoned) == "2001-09-09T01:46:40.000001007Z"


@pytest.mark.parametrize("kind", [pa.int32(), pa.int64()])
def test_integers_of_any_width_have_one_hash(kind):
    ids = pa.array([3, 1, 4], kind)
    assert id_hashes(ids).tolist() == mix(np.array([3, 1, 4], np.uint64)).tolist()


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_texts_of_any_type_have_one_hash(kind):
    ids = pa.array(["b", "a", "b"], kind)
    assert id_hashes(ids).tolist() == order.id_hashes(pl.Series(["b", "a", "b"])).tolist()


TIMES = {
    "integers": pl.Int64,
    "dates in ms": pl.Datetime("ms"),
    "dates in us": pl.Datetime("us"),
    "dates in ns": pl.Datetime("ns"),
    "fractions": pl.Float64,
}


@pytest.mark.parametrize("kinds", [(), ("Kauf", "a", "b", "é")])
@pytest.mark.parametrize("ids", ["int", "str"])
@pytest.mark.parametrize("times", TIMES)
def test_the_order_is_that_of_the_trainer(ids, times, kinds):
    random = np.random.default_rng(2)
    users, items = user_ids(5, ids), user_ids(30, ids)
    events = pl.DataFrame(
        {
            "user": [users[i] for i in random.integers(5, size=2000)],
            "item": [items[i] for i in random.integers(30, size=2000)],
            "time": random.integers(-3000, 3000, size=2000),
        }
    )
    if times == "fractions":
        events = events.with_columns(pl.col("time") / 64)
    else:
        events = events.with_columns(pl.col("time").cast(TIMES[times]))
    if kinds:  # the same event several times, with kinds in random order
        events = pl.concat([events] * 3)
        kind = random.integers(len(kinds), size=len(events))
        events = events.with_columns(kind=pl.Series([kinds[i] for i in kind]))
    known = [events[name].unique().sort() for name in ("user", "item")]
    assert DataConfig().tie_seed == TIE_SEED[0]
    rule = order.Order.of("random", DataConfig().tie_seed, *known, dates="dates" in times)
    expected = rule.sort(encode(whole_times(Piece("test", events, True)), *known, kinds=kinds))
    batches = events.to_arrow().to_batches()
    found = in_order(
        pa.Table.from_batches([batch for batch, _ in canonical(batches, events.columns)])
    )
    for user, rows in pl.from_arrow(found).group_by("user"):
        code = known[0].index_of(user[0])
        of_user = expected.filter(pl.col("user") == code)
        assert [known[1][i] for i in of_user["item"]] == rows["item"].to_list()
        if kinds:
            assert [kinds[i] for i in of_user["kind"]] == rows["kind"].to_list()
