"""Models that use the times of events, through Python."""

import json
import pickle
import re
from datetime import UTC, datetime

import numpy as np
import pytest
from recgrela import EdgeScorer, Fleet

from tests.bindings.golden import GOLDEN


@pytest.fixture
def gaps() -> EdgeScorer:
    """Two kinds, times, a start vector, integer ids."""
    return EdgeScorer.load(GOLDEN / "gaps.safetensors")


def events(scorer: EdgeScorer, count: int) -> tuple[list[int], list[str], list[int]]:
    """Random items, a kind and a time for each; some events are late."""
    random = np.random.default_rng(1)
    items = random.choice(scorer.item_ids, count).tolist()
    kinds = random.choice(scorer.kinds, count).tolist()
    return items, kinds, (1_764_500_000 + random.integers(-9, 10**6, count).cumsum()).tolist()


def test_the_model_says_that_it_uses_times(gaps, small):
    assert gaps.uses_times and gaps.config["gaps"] is True
    scorer = small.load()
    assert not scorer.uses_times and scorer.config["gaps"] is False
    assert gaps.verify()["sequences"] == 4


def test_all_ways_to_append_give_the_same_bits(gaps):
    items, kinds, times = events(gaps, 20)
    expected, stepped = gaps.new_session(), gaps.new_session()
    for item, kind, time in zip(items, kinds, times, strict=True):
        peeked = expected.peek([item], 5, kinds=kind, times=[time])
        assert expected.append(item, kind=kind, time=time)
        assert stepped.step(item, 5, kind=kind, time=time).ids == peeked.ids
    assert stepped.snapshot() == expected.snapshot()
    floats = [time + 0.75 for time in times]
    stamps = [datetime.fromtimestamp(time, UTC).timestamp() for time in floats]
    for given in (times, tuple(times), np.array(times), iter(times), floats, np.array(stamps)):
        scorer = gaps.new_session()
        assert scorer.extend(items, kinds=kinds, times=given) == 20
        assert scorer.snapshot() == expected.snapshot()
    fleet = Fleet(gaps)
    assert fleet.append(["ann"] * 20, items, kinds=kinds, times=times) == 20
    assert fleet.session("ann").snapshot() == expected.snapshot()


def test_the_gap_changes_the_scores(gaps):
    first, second = gaps.item_ids[:2]
    rows = []
    for gap in (0, 1, 60, 3600, 10**6):
        scorer = gaps.new_session()
        scorer.extend([first, second], kinds=gaps.kinds[0], times=[100, 100 + gap])
        rows.append(scorer.score(scorer.item_ids).tobytes())
    assert len(set(rows)) == 5


def test_skipped_items_take_their_time_with_them(gaps):
    first, second = gaps.item_ids[:2]
    scorer, expected = gaps.new_session(), gaps.new_session()
    expected.extend([first, second], kinds=gaps.kinds[1], times=[100, 300])
    unknown = {"kinds": gaps.kinds[1], "times": [100, 200, 300], "unknown": "skip"}
    assert scorer.extend([first, -5, second], **unknown) == 2
    assert scorer.snapshot() == expected.snapshot()
    fleet = Fleet(gaps)
    assert fleet.append([1, 1, 1], [first, -5, second], **unknown) == 2
    assert fleet.session(1).snapshot() == expected.snapshot()


def test_a_missing_time_is_an_error_and_changes_nothing(gaps):
    item, kind = gaps.item_ids[0], gaps.kinds[0]
    fleet = Fleet(gaps)
    for call in (
        lambda: gaps.append(item, kind=kind),
        lambda: gaps.extend([item], kinds=kind),
        lambda: gaps.peek([item], 3, kinds=kind),
        lambda: gaps.step(item, 3, kind=kind),
        lambda: fleet.append([1], [item], kinds=kind),
    ):
        with pytest.raises(ValueError, match="time of the event: found none, expected whole sec"):
            call()
    assert gaps.events == len(fleet) == 0


def test_what_is_no_time_is_an_error(gaps):
    items, kind = gaps.item_ids[:3], gaps.kinds[0]
    with pytest.raises(ValueError, match="times: found 2, expected 3, one per item"):
        gaps.extend(items, kinds=kind, times=[1, 2])
    for wrong in ("1", None, datetime.now(UTC)):
        with pytest.raises(TypeError, match=r"time: found .*, expected a number of seconds"):
            gaps.extend(items, kinds=kind, times=[1, wrong, 3])
    with pytest.raises(TypeError, match="time: found str, expected a number of seconds"):
        gaps.append(items[0], kind=kind, time="now")
    for wrong in (float("nan"), float("inf"), 2.0**63, 10**30):
        with pytest.raises(ValueError, match="expected a number of seconds in 64 bits"):
            gaps.append(items[0], kind=kind, time=wrong)
    with pytest.raises(TypeError, match="times in order, found a set"):
        gaps.extend(items, kinds=kind, times={1, 2, 3})
    assert gaps.events == 0


def test_a_model_that_uses_no_times_refuses_one(small):
    scorer, item = small.load(), small.ids[0]
    with pytest.raises(ValueError, match="found 7, expected none: this model does not use times"):
        scorer.append(item, time=7)
    assert scorer.events == 0 and scorer.log_times == []


def test_stored_histories_keep_their_times(gaps, tmp_path):
    items, kinds, times = events(gaps, 12)
    gaps.keep_log(100)
    gaps.extend(items[:10], kinds=kinds[:10], times=times[:10])
    assert gaps.log_times == times[:10]
    fleet = Fleet(gaps)
    fleet.keep_log(100)
    fleet.set("ann", gaps)
    fleet.save(tmp_path / "fleet")
    loaded = Fleet.load(tmp_path / "fleet", gaps)
    exported = loaded.export("ann")
    assert loaded.log_times("ann") == exported["log_times"] == times[:10]
    assert exported["last_time"] == times[9]
    restored = gaps.new_session()
    restored.restore(gaps.snapshot())
    migrated = gaps.migrate(gaps.snapshot(), gaps.log, kinds=kinds[:10], times=gaps.log_times)
    rest = {"kinds": kinds[10:], "times": times[10:]}
    gaps.extend(items[10:], **rest)
    others = restored, migrated, loaded.session("ann"), pickle.loads(pickle.dumps(restored))
    for scorer in others:
        scorer.extend(items[10:], **rest)
        assert scorer.snapshot() == gaps.snapshot()


def test_forgetting_and_reasons_replay_the_gaps(gaps):
    items, kinds, times = events(gaps, 8)
    gaps.keep_log(8)
    gaps.extend(items, kinds=kinds, times=times)
    position, item, drop = gaps.why(gaps.top_k(1).ids[0], 1)[0]
    without = gaps.new_session()
    for place, event in enumerate(zip(items, kinds, times, strict=True)):
        if place != position:
            without.append(event[0], kind=event[1], time=event[2])
    best = gaps.top_k(1).ids
    assert item == items[position]
    assert np.float32(drop) == gaps.score(best)[0] - without.score(best)[0]
    forgotten = gaps.clone()
    forgotten.forget([items[position]])
    if items.count(items[position]) == 1:
        without.keep_log(8)
        assert forgotten.score(gaps.item_ids).tobytes() == without.score(gaps.item_ids).tobytes()


PATH = GOLDEN / "gaps.safetensors"


def test_inspect_shows_that_the_model_uses_times(command, small):
    assert "gaps         True\n" in command("inspect", PATH)[1]
    assert "gaps         False\n" in command("inspect", small.path)[1]
    assert json.loads(command("inspect", PATH, "--json")[1])["gaps"] is True


def test_recommend_takes_seconds_and_dates(command, gaps):
    items, kinds, _ = events(gaps, 4)
    times = [-1, 90, 1_796_112_000, 253_402_300_799]
    words = [
        ("-1", "90", "1796112000", "253402300799"),
        ("-0.25", "90.75", "1.796112e9", "253402300799.5"),
        ("1969-12-31T23:59:59.999999", "1970-01-01T00:01:30.9Z", "2026-12-01T09:00:00+01:00",
         "9999-12-31T23:59:59.999999"),
        ("1969-12-31 23:59:59Z", "1970-01-01 00:01:30", "2026-12-01 08:00", "9999-12-31T235959"),
    ]  # fmt: skip
    gaps.extend(items, kinds=kinds, times=times)
    expected = [[item, score] for item, score in gaps.top_k(4)]
    history = ("--history", *items, "--kinds", *kinds)
    for given in words:
        for order in ((PATH, *history, "--times", *given), (*history, "--times", *given, PATH)):
            status, output, errors = command("recommend", *order, "-k", 4, "--json")
            assert status == 0, errors
            found = [[one["item"], one["score"]] for one in json.loads(output)["items"]]
            assert found == expected
    other = gaps.new_session()
    other.extend(items, kinds=kinds, times=[times[0], 30, *times[2:]])  # another gap
    assert [[item, score] for item, score in other.top_k(4)] != expected


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([], "found no times, expected one per item: .* pass their times by --times"),
        (["5"], "times: found 1, expected 2, one per item"),
        (["5", "noon"], "the time 'noon', expected seconds since 1970, such as .* or ISO 8601, "),
        (["5", "2026-13-01"], "the time '2026-13-01', expected seconds since 1970, such as"),
        (["5", "1796112000000"], "'1796112000000', expected .*: divide milliseconds by 1,000"),
        (["5", "nan"], "found the time 'nan', expected seconds since 1970, before the year 10000"),
    ],
)
def test_recommend_refuses_what_is_no_time(command, gaps, times, message):
    options = ["--times", *times] if times else []
    history = ("--history", *gaps.item_ids[:2], "--kinds", gaps.kinds[0])
    status, output, errors = command("recommend", PATH, *history, *options)
    assert (status, output) == (1, "")
    assert re.search(message, errors), errors


def test_recommend_refuses_times_that_the_model_does_not_use(command, small):
    words = ("--history", *small.ids[:2], "--times", "1", "2026-12-01")
    status, _, errors = command("recommend", small.path, *words)
    assert (status, "expected none: this model does not use times" in errors) == (1, True)


def test_recommend_without_a_history_needs_no_times(command, gaps):
    status, output, errors = command("recommend", PATH, "--history", "--json")
    assert status == 0, errors
    assert [one["item"] for one in json.loads(output)["items"]] == gaps.top_k(10).ids
