"""A fleet's users are bit-identical to separate scorers."""

import json

import numpy as np
import pandas
import polars
import pyarrow
import pytest
from recgrela import Fleet


def test_many_users_at_once(export):
    model = export(table="int8", matrices="f16", hidden_size=64, num_heads=4)
    scorer = model.load()
    fleet = Fleet(scorer, 50)
    alone = [scorer.new_session() for _ in range(50)]
    random = np.random.default_rng(3)
    for _ in range(20):
        users = random.integers(50, size=40)  # some occur twice
        items = [model.ids[i] for i in random.integers(70, size=40)]
        assert fleet.append(users, items) == 40
        for user, item in zip(users, items, strict=True):
            alone[user].append(item)
    assert sorted(fleet.users) == list(range(50))
    options = {"deny": model.ids[:5], "max_per_group": 2, "groups": np.arange(70) % 9}
    for choice in ({}, {"exclude_seen": False}, options):
        found = fleet.top_k(range(50), 7, **choice)
        assert [list(top) for top in found] == [list(one.top_k(7, **choice)) for one in alone]
    for user in (0, 17, 49):
        assert fleet.score(user, model.ids).tolist() == alone[user].score(model.ids).tolist()
        assert fleet.session(user).snapshot() == alone[user].snapshot()
        assert (fleet.events(user), fleet.seen(user)) == (alone[user].events, alone[user].seen)


@pytest.mark.parametrize("kind", ["int", "str"])
@pytest.mark.parametrize("users", [[7, -3, 7, 2**62], ["ann", "bob", "ann", "Ünï"]])
def test_saved_and_continued(export, kind, users, tmp_path):
    model = export(kind)
    scorer = model.load()
    fleet = Fleet(scorer)
    fleet.append(users, model.ids[:4])
    fleet.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet", scorer, 8)
    distinct = list(dict.fromkeys(users))
    assert again.users == fleet.users == distinct
    assert len(again) == 3
    for user in distinct:
        assert again.session(user).snapshot() == fleet.session(user).snapshot()
    assert again.remove(distinct[0]) is True
    assert again.remove(distinct[0]) is False
    assert again.events(distinct[0]) == 0
    again.set(distinct[0], fleet.session(distinct[1]))
    assert again.seen(distinct[0]) == fleet.seen(distinct[1])
    (tmp_path / "fleet").write_bytes((tmp_path / "fleet").read_bytes()[:-5])
    with pytest.raises(ValueError, match=r"fleet: fleet file"):
        Fleet.load(tmp_path / "fleet", scorer)


def test_load_on_an_instance_is_refused(small, tmp_path):
    """It would return another fleet, and leave this one as it is."""
    scorer = small.load()
    fleet = Fleet(scorer)
    fleet.save(tmp_path / "fleet")
    with pytest.raises(TypeError, match=r"load returns a new Fleet .* call Fleet.load\("):
        fleet.load(tmp_path / "fleet", scorer)


def test_threads_change_no_result(small, tmp_path):
    scorer = small.load()
    random = np.random.default_rng(1)
    users, items = random.integers(3000, size=5000), random.choice(small.ids, 5000)
    one, many = (Fleet(scorer, threads=threads) for threads in (1, 3))
    for fleet in (one, many):
        fleet.append(users, items)
    many.save(tmp_path / "fleet")
    loaded = Fleet.load(tmp_path / "fleet", scorer, threads=2)
    everyone = one.users
    expected = one.top_k_arrays(everyone, 5)
    for fleet in (many, loaded):
        found = fleet.top_k_arrays(everyone, 5)
        assert np.array_equal(found.ids, expected.ids)
        assert np.array_equal(found.scores, expected.scores)
        assert all(fleet.session(u).snapshot() == one.session(u).snapshot() for u in everyone)
    with pytest.raises(ValueError, match="threads"):
        Fleet(scorer, threads=-1)


def test_what_does_not_fit_changes_nothing(small):
    fleet = Fleet(small.load())
    fleet.append([1], small.ids[:1])
    with pytest.raises(ValueError, match="found 1, expected 2, one per user"):
        fleet.append([0, 1], small.ids[:1])
    with pytest.raises(KeyError):
        fleet.append([0, 1], [small.ids[0], 10**15])
    with pytest.raises(OverflowError):
        fleet.append([2**63], small.ids[:1])
    with pytest.raises(OverflowError):
        fleet.append(np.array([2**63], np.uint64), small.ids[:1])
    assert 2**70 not in fleet
    with pytest.raises(TypeError, match="found a masked array"):
        fleet.append(np.ma.array([1, 2], mask=[False, True]), small.ids[:2])
    with pytest.raises(TypeError, match='user id "a": found a string, expected an integer'):
        fleet.append([2, "a"], small.ids[:2])
    for wrong in ([2, 1.5], [2, None], [2, True], np.array([0.0, 1.0])):
        with pytest.raises(TypeError, match="a user id is an int or a str, found"):
            fleet.append(wrong, small.ids[:2])
    for call in (fleet.events, fleet.session, fleet.remove, lambda user: fleet.top_k([user])):
        with pytest.raises(TypeError):
            call("1")
    assert (1 in fleet, 2 in fleet, "1" in fleet, None in fleet) == (True, False, False, False)
    assert fleet.users == [1]
    assert repr(fleet).startswith("Fleet(1 users, 70 items, ")


@pytest.mark.parametrize("unordered", [set, frozenset])
def test_a_set_has_no_order_for_a_history(small, unordered):
    fleet = Fleet(small.load())
    with pytest.raises(TypeError, match="expected user ids in order"):
        fleet.append(unordered([1, 2]), small.ids[:2])
    with pytest.raises(TypeError, match="expected item ids in order"):
        fleet.append([1, 2], unordered(small.ids[:2]))
    with pytest.raises(TypeError, match="expected user ids in order"):
        fleet.top_k(unordered([1]))
    assert len(fleet) == 0


def test_unknown_items_are_skipped_on_request(small):
    fleet = Fleet(small.load())
    unknown = 10**15
    users, items = [1, 2, 1, 3], [small.ids[4], unknown, small.ids[5], unknown]
    assert fleet.append(users, items, unknown="skip") == 2
    assert (fleet.users, fleet.seen(1)) == ([1], small.ids[4:6])
    with pytest.raises(KeyError, match="its ids are of type int"):
        fleet.append([1], ["a"], unknown="skip")
    with pytest.raises(ValueError, match="expected 'error' or 'skip'"):
        fleet.append([1], small.ids[:1], unknown="drop")


FORMS = {
    "list": list,
    "generator": lambda ids: (id_ for id_ in ids),
    "numpy": np.array,
    "objects": lambda ids: np.array(ids, object),
    "arrow": pyarrow.array,
    "chunked": lambda ids: pyarrow.chunked_array([ids[:3], ids[3:]]),
    "polars": polars.Series,
    "pandas": pandas.Series,
    "index": pandas.Index,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", ["int", "str"])
def test_forms_of_ids(export, form, kind):
    model = export(kind)
    scorer = model.load()
    make = FORMS[form]
    users = [3, 1, 3, -5, 2**60] if kind == "int" else ["c", "a", "c", "Ünï", ""]
    plain, fleet = Fleet(scorer), Fleet(scorer)
    plain.append(users, model.ids[:5])
    fleet.append(make(users), make(model.ids[:5]))
    assert fleet.users == plain.users
    assert type(fleet.users[0]) is type(users[0])
    assert [fleet.seen(user) for user in users] == [plain.seen(user) for user in users]
    assert [top.ids for top in fleet.top_k(make(users), 3, allow=make(model.ids[5:30]))] == [
        top.ids for top in plain.top_k(users, 3, allow=model.ids[5:30])
    ]


@pytest.mark.parametrize("dtype", [np.int8, np.int32, np.uint16, np.uint64, ">i4"])
def test_integers_of_any_width(small, dtype):
    fleet = Fleet(small.load())
    fleet.append(np.arange(6, dtype=dtype)[::2], small.ids[:3])
    assert fleet.users == [0, 2, 4]


def test_tables_and_missing_ids_are_refused(small):
    fleet = Fleet(small.load())
    table = polars.DataFrame({"user": [1, 2]})
    for users in (table, table.to_pandas(), np.ones((2, 1), int), table.to_arrow()):
        with pytest.raises(TypeError, match="found shape"):
            fleet.append(users, small.ids[:2])
    for users in (pyarrow.array([1, None]), polars.Series([1, None])):
        with pytest.raises(TypeError, match="a user id is an int or a str"):
            fleet.append(users, small.ids[:2])
    times = np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]")
    with pytest.raises(TypeError, match="datetime64"):
        fleet.append(times, small.ids[:2])
    with pytest.raises(TypeError, match="found one str"):
        fleet.append("ab", small.ids[:2])


@pytest.mark.parametrize("kind", ["int", "str"])
def test_results_as_arrays(export, kind):
    model = export(kind)
    scorer = model.load()
    fleet = Fleet(scorer)
    random = np.random.default_rng(5)
    users = random.permutation(1100)  # more than are answered at once
    fleet.append(users, [model.ids[i] for i in random.integers(70, size=1100)])
    asked = [5, 2000, 7, *range(900)]
    plain = fleet.top_k(asked, 6, without_history="skip")
    top = fleet.top_k_arrays(asked, 6, without_history="skip")
    assert len(top) == 903
    assert top.ids.shape == top.scores.shape == (903, 6)
    assert (top.ids.dtype, top.scores.dtype) == (np.int64 if kind == "int" else object, np.float32)
    assert top.counts.tolist() == [len(one) for one in plain]
    for row, one in enumerate(plain):
        assert top.ids[row, : len(one)].tolist() == one.ids
        assert top.scores[row, : len(one)].tobytes() == one.scores.tobytes()
    assert top.counts[1] == 0
    assert top.ids[1].tolist() == [-1 if kind == "int" else None] * 6
    assert np.isneginf(top.scores[1]).all()
    few = fleet.top_k_arrays(asked[:1], 10**9, allow=model.ids[:3], exclude_seen=False)
    assert (few.ids.shape, few.counts.tolist()) == ((1, 70), [3])
    assert fleet.top_k_arrays([], 4).ids.shape == (0, 4)
    with pytest.raises(ValueError, match="users 2000, 3000 have no events"):
        fleet.top_k_arrays([*range(1100), 3000, 2000])


def test_a_scorer_with_items_that_the_fleet_does_not_know(small):
    """The same file loaded twice, with different catalogues."""
    vectors = np.ones((2, 16), np.float32)
    scorer, plain = small.load(), small.load()
    scorer.catalog.add([-1, -2], vectors)
    scorer.extend([small.ids[0], -2])
    fleet = Fleet(plain)
    fleet.append([0], small.ids[:1])
    before = fleet.session(0).snapshot()
    with pytest.raises(ValueError, match="found 0 in the active overlay, expected the 2"):
        fleet.set(0, scorer)
    plain.catalog.add([-2, -1], vectors)  # the same items with other indices
    with pytest.raises(ValueError, match="added items"):
        fleet.set(0, scorer)
    assert fleet.session(0).snapshot() == before
    other = Fleet(scorer.new_session())
    other.set("a", scorer)
    assert other.seen("a") == scorer.seen
    assert list(other.top_k(["a"])[0]) == list(scorer.top_k())


@pytest.mark.parametrize("kind", ["int", "str"])
def test_items_to_exclude_per_user(export, kind):
    model = export(kind)
    fleet = Fleet(model.load())
    users = ["a", "b", "c"]
    fleet.append(users, model.ids[:3])
    lists = [model.ids[5:20], [], model.ids[30:31]]
    expected = [
        list(fleet.session(user).top_k(8, deny=[*own, model.ids[40]]))
        for user, own in zip(users, lists, strict=True)
    ]
    common = {"deny": [model.ids[40]]}
    found = fleet.top_k(users, 8, deny_each=lists, **common)
    assert [list(top) for top in found] == expected
    mapping = {"a": lists[0], "c": np.array(lists[2]), "unasked": model.ids}
    arrays = fleet.top_k_arrays(users, 8, deny_each=mapping, **common)
    assert arrays.ids.tolist() == [[id_ for id_, _ in row] for row in expected]
    with pytest.raises(ValueError, match="deny_each: found 1 lists, expected 3, one per user"):
        fleet.top_k(users, deny_each=lists[:1])
    with pytest.raises(KeyError, match="is not among"):
        fleet.top_k(users[:1], deny_each=[[10**15 if kind == "int" else "?"]])
    assert fleet.top_k(users[:1], deny_each=[[10**15 if kind == "int" else "?"]], unknown="skip")


def test_log_forget_and_export(small):
    scorer = small.load()
    fleet = Fleet(scorer)
    fleet.keep_log(100)
    items = small.history(12, seed=3)
    fleet.append(["ann"] * 12, items)
    fleet.append(["bob"], items[:1])
    assert fleet.log("ann") == items
    alone = scorer.new_session()
    alone.keep_log(100)
    alone.extend([item for item in items if item != items[2]])
    fleet.forget("ann", [items[2]])
    assert fleet.session("ann").snapshot() == alone.snapshot()
    export = fleet.export("ann")
    assert json.loads(json.dumps(export)) == {
        "user": "ann",
        "events": alone.events,
        "last_time": None,
        "seen": alone.seen,
        "log": alone.log,
        "log_kinds": [],
        "log_times": [],
        "state_bytes": alone.state_bytes,
        "model": scorer.fingerprint,
    }
    fleet.forget("bob", items[:1])
    assert "bob" not in fleet
    assert fleet.export("bob")["events"] == fleet.export("bob")["state_bytes"] == 0
    fleet.keep_log(2)
    assert fleet.log("ann") == alone.log[-2:]
    with pytest.raises(ValueError, match="found a log of the last 2 events"):
        fleet.forget("ann", items[:1])
    fleet.keep_log(0)
    assert fleet.export("ann")["log"] is None


def test_a_retrained_model_takes_the_fleet_over(export, tmp_path):
    old, new = export("str").load(), export("str", hidden_size=32).load()
    fleet = Fleet(old)
    fleet.keep_log(10**30)
    random = np.random.default_rng(1)
    users = random.integers(20, size=200)
    fleet.append(users, [old.item_ids[i] for i in random.integers(70, size=200)])
    moved = fleet.migrate(new)
    assert moved.users == fleet.users
    for user in fleet.users:
        expected = new.migrate(fleet.session(user).snapshot(), fleet.log(user))
        assert moved.session(user).snapshot() == expected.snapshot()
    fleet.save(tmp_path / "users.fleet")
    with pytest.raises(ValueError, match="load it with its own model and migrate its logs"):
        Fleet.load(tmp_path / "users.fleet", new)
    assert Fleet.load(tmp_path / "users.fleet", old).log(int(users[0])) == fleet.log(int(users[0]))


def test_changes_are_appended_and_an_interrupted_save_is_ignored(small, tmp_path):
    path = tmp_path / "users.fleet"
    scorer = small.load()
    fleet = Fleet(scorer)
    with pytest.raises(ValueError, match="call save first"):
        fleet.save_changes(path)
    fleet.append(range(1000), small.ids[:1] * 1000)
    fleet.save(path)
    before = path.stat().st_size
    fleet.append([3, 2000], small.ids[:2])
    fleet.remove(5)
    fleet.save_changes(path)
    after = path.stat().st_size
    assert after - before < before / 100
    again = Fleet.load(path, scorer)
    assert set(again.users) == set(fleet.users) == {*range(1000), 2000} - {5}
    assert again.session(3).snapshot() == fleet.session(3).snapshot()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(UserWarning, match=f"the {after - before - 9} bytes that it wrote"):
        again = Fleet.load(path, scorer)
    assert (5 in again, again.events(3), 2000 in again) == (True, 1, False)
    with pytest.raises(FileNotFoundError):
        again.save_changes(tmp_path / "missing")
