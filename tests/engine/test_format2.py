"""Models with kinds of events and with a start vector, through Python."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from recgrela import EdgeScorer, Fleet

from tests.bindings.golden import GOLDEN

KINDS = ("view", "Kauf 電影", "skip")


@pytest.fixture
def both() -> EdgeScorer:
    """A start vector, three kinds, string ids."""
    return EdgeScorer.load(GOLDEN / "both.safetensors")


@pytest.fixture
def kinds() -> EdgeScorer:
    """Four kinds, no start vector, integer ids."""
    return EdgeScorer.load(GOLDEN / "kinds.safetensors")


def events(scorer: EdgeScorer, count: int, seed: int = 1) -> tuple[list, list[str]]:
    """Random items, and a kind for each."""
    random = np.random.default_rng(seed)
    ids = scorer.item_ids
    items = [ids[i] for i in random.integers(len(ids), size=count)]
    return items, [scorer.kinds[i] for i in random.integers(len(scorer.kinds), size=count)]


def test_the_model_says_what_it_has(both, kinds, small):
    assert both.kinds == KINDS
    assert (both.config["kinds"], both.config["start"]) == (list(KINDS), True)
    assert (len(kinds.kinds), kinds.config["start"]) == (4, False)
    assert small.load().kinds == ()
    assert both.verify()["sequences"] == 4


def test_all_ways_to_append_give_the_same_bits(both):
    items, names = events(both, 20)
    expected = both.new_session()
    for item, kind in zip(items, names, strict=True):
        assert expected.append(item, kind=kind)
    for given in (names, tuple(names), np.array(names), iter(names)):
        scorer = both.new_session()
        assert scorer.extend(items, kinds=given) == 20
        assert scorer.snapshot() == expected.snapshot()
    other = both.new_session()
    other.extend(items, kinds="skip")
    each = both.new_session()
    each.extend(items, kinds=["skip"] * 20)
    assert other.snapshot() == each.snapshot() != expected.snapshot()


def test_the_kind_changes_the_scores(both):
    rows = []
    for kind in KINDS:
        scorer = both.new_session()
        scorer.append(scorer.item_ids[3], kind=kind)
        rows.append(scorer.score(scorer.item_ids).tobytes())
    assert len(set(rows)) == 3


def test_skipped_items_take_their_kind_with_them(both):
    items, names = events(both, 4)
    scorer, expected = both.new_session(), both.new_session()
    expected.extend(items, kinds=names)
    unknown = [*items[:2], "nobody", *items[2:]]
    assert scorer.extend(unknown, kinds=[*names[:2], "skip", *names[2:]], unknown="skip") == 4
    assert not scorer.append("nobody", kind="view", unknown="skip")
    assert scorer.snapshot() == expected.snapshot()
    fleet = Fleet(both)
    assert fleet.append([7] * 5, unknown, kinds="view", unknown="skip") == 4
    expected.reset()
    expected.extend(items, kinds="view")
    assert fleet.session(7).snapshot() == expected.snapshot()


KNOWN = "expected one of `view`, `Kauf 電影`, `skip`"


def test_a_missing_or_unknown_kind_is_an_error_that_lists_them(both):
    item = both.item_ids[0]
    fleet = Fleet(both)
    for call in (
        lambda: both.append(item),
        lambda: both.extend([item]),
        lambda: both.peek([item], 3),
        lambda: fleet.append([1], [item]),
    ):
        with pytest.raises(ValueError, match=f"kind of event: found none, {KNOWN}: pass the kind"):
            call()
    for call in (
        lambda: both.append(item, kind="buy"),
        lambda: both.append("nobody", kind="buy", unknown="skip"),
        lambda: both.extend([item, item], kinds=["view", "buy"]),
        lambda: both.peek([item], 3, kinds="buy"),
        lambda: fleet.append([1], [item], kinds="buy"),
    ):
        with pytest.raises(ValueError, match=f"kind of event: found `buy`, {KNOWN}"):
            call()
    assert both.events == len(fleet) == 0


def test_kinds_of_another_number_or_type_are_errors(both):
    items = both.item_ids[:3]
    fleet = Fleet(both)
    for call in (
        lambda: both.extend(items, kinds=["view"] * 2),
        lambda: fleet.append([1, 2, 3], items, kinds=["view"] * 2),
    ):
        with pytest.raises(ValueError, match="kinds: found 2, expected 3, one per item, or one"):
            call()
    for wrong in ([1, 2, 3], np.arange(3), ["view", None, "view"]):
        with pytest.raises(TypeError, match="a kind of event is a str, found"):
            both.extend(items, kinds=wrong)
    with pytest.raises(TypeError, match="kinds in order, found a set"):
        both.extend(items, kinds=set(KINDS))
    with pytest.raises(TypeError):
        both.append(items[0], kind=1)
    assert both.events == len(fleet) == 0


def test_a_model_without_kinds_refuses_them(small):
    scorer, item = small.load(), small.ids[0]
    fleet = Fleet(scorer)
    for call in (
        lambda: scorer.append(item, kind="view"),
        lambda: scorer.extend([item], kinds=["view"]),
        lambda: scorer.extend([item], kinds="view"),
        lambda: fleet.append([1], [item], kinds="view"),
    ):
        with pytest.raises(ValueError, match="found `view`, expected none: this model has no"):
            call()
    assert (scorer.events, scorer.log_kinds) == (0, [])


def test_the_log_has_the_kinds(both):
    items, names = events(both, 12)
    scorer, fleet = both.new_session(), Fleet(both)
    scorer.keep_log(9)
    fleet.keep_log(9)
    scorer.extend(items, kinds=names)
    fleet.append(["ann"] * 12, items, kinds=names)
    assert (scorer.log, scorer.log_kinds) == (items[3:], names[3:])
    assert (fleet.log("ann"), fleet.log_kinds("ann")) == (items[3:], names[3:])
    exported = json.loads(json.dumps(fleet.export("ann")))
    assert (exported["log"], exported["log_kinds"]) == (items[3:], names[3:])
    assert fleet.log_kinds("bob") == []


def test_undo_forget_peek_and_migrate_know_kinds(both):
    items, names = events(both, 12)
    scorer = both.new_session()
    scorer.keep_log(100)
    scorer.keep_undo(3)
    scorer.extend(items[:9], kinds=names[:9])
    before = scorer.snapshot()
    peeked = scorer.peek(items[9:], 5, kinds=names[9:])
    scorer.extend(items[9:], kinds=names[9:])
    assert list(peeked) == list(scorer.top_k(5))
    moved = both.migrate(scorer.snapshot(), items, kinds=names)
    assert moved.snapshot() == scorer.snapshot()
    scorer.undo(3)
    assert scorer.snapshot() == before
    scorer.forget(items[:1])
    kept = [i for i in range(9) if items[i] != items[0]]
    never = both.new_session()
    never.keep_log(100)
    never.extend([items[i] for i in kept], kinds=[names[i] for i in kept])
    assert scorer.snapshot() == never.snapshot()


def test_snapshots_and_pickles_continue(both, kinds):
    for model in (both, kinds):
        items, names = events(model, 9)
        scorer = model.new_session()
        scorer.keep_log(4)
        scorer.extend(items, kinds=names)
        restored = model.new_session()
        restored.restore(scorer.snapshot())
        for other in (restored, pickle.loads(pickle.dumps(scorer)), scorer.clone()):
            assert other.snapshot() == scorer.snapshot()
            assert (other.log, other.log_kinds) == (items[5:], names[5:])
            assert list(other.top_k(5)) == list(scorer.top_k(5))


def test_a_fleet_file_keeps_the_kinds(both, tmp_path):
    items, names = events(both, 12)
    users = ["ann", "bob", "eve"] * 4
    fleet = Fleet(both)
    fleet.keep_log(100)
    fleet.append(users, items, kinds=names)
    fleet.save(tmp_path / "users.fleet")
    loaded = Fleet.load(tmp_path / "users.fleet", both)
    for user in fleet.users:
        assert loaded.session(user).snapshot() == fleet.session(user).snapshot()
        assert loaded.log_kinds(user) == names[users.index(user) :: 3]


def test_the_start_vector_answers_before_the_first_event(both):
    ids = both.item_ids
    top = both.top_k(5)
    assert len(top) == 5
    assert top.scores.tobytes() == both.score(top.ids).tobytes()
    assert both.user_vector().shape == (24,)
    expected = both.score(ids)
    assert top.ids == [ids[i] for i in np.argsort(-expected, kind="stable")[:5]]
    assert both.top_k(3, deny=top.ids).ids == both.top_k(8).ids[5:]
    assert set(both.top_k(5, allow=ids[:3]).ids) == set(ids[:3])
    groups = np.arange(len(ids)) % 2
    assert len(both.top_k(9, max_per_group=1, groups=groups)) == 2
    both.keep_undo(1)
    both.append(ids[0], kind="skip")
    assert list(both.top_k(5)) != list(top)
    both.undo()
    assert list(both.top_k(5)) == list(top)
    assert list(both.peek([], 5)) == list(top)


def test_users_of_a_fleet_without_history_are_answered(both):
    fleet = Fleet(both)
    fleet.append(["ann"], both.item_ids[:1], kinds="view")
    users = ["bob", "ann", "eve"]
    answers = fleet.top_k(users, 4)
    for user, top in zip(users, answers, strict=True):
        assert list(top) == list(fleet.session(user).top_k(4))
    arrays = fleet.top_k_arrays(users, 4)
    assert arrays.ids.tolist() == [top.ids for top in answers]
    skipped = fleet.top_k(users, 4, without_history="skip")
    assert [len(top) for top in skipped] == [0, 4, 0]
    assert fleet.score("bob", both.item_ids).tobytes() == both.score(both.item_ids).tobytes()


def test_without_a_start_vector_the_error_says_why(kinds):
    fleet = Fleet(kinds)
    why = r"no events: append at least one item .*\(the model has no start vector; train it again"
    for call in (
        lambda: kinds.top_k(3),
        lambda: kinds.score(kinds.item_ids),
        lambda: fleet.top_k([3]),
        lambda: fleet.score(3, kinds.item_ids),
    ):
        with pytest.raises(ValueError, match=why):
            call()


def test_damaged_snapshots_are_refused(both, kinds):
    items, names = events(both, 5)
    both.keep_log(9)
    both.extend(items, kinds=names)
    snapshot = both.snapshot()
    for place in (8, len(snapshot) - 33, len(snapshot) - 1):
        damaged = bytearray(snapshot)
        damaged[place] ^= 1
        with pytest.raises(ValueError, match="snapshot: "):
            both.restore(damaged)
    with pytest.raises(ValueError, match="found model"):
        kinds.restore(snapshot)
    assert both.snapshot() == snapshot


PATH: Path = GOLDEN / "both.safetensors"


def test_inspect_shows_kinds_and_start(command):
    _, output, _ = command("inspect", PATH)
    assert "start        True\n" in output
    assert f"kinds        {list(KINDS)}\n" in output
    facts = json.loads(command("inspect", PATH, "--json")[1])
    assert (facts["start"], facts["kinds"]) == (True, list(KINDS))


def test_recommend_takes_kinds(command, both):
    items, names = events(both, 3)
    both.extend(items, kinds=names)
    expected = [[item, score] for item, score in both.top_k(4)]

    def items_of(*words, **options):
        status, output, errors = command("recommend", *words, "-k", 4, "--json", **options)
        assert status == 0, errors
        return [[one["item"], one["score"]] for one in json.loads(output)["items"]]

    assert items_of(PATH, "--history", *items, "--kinds", *names) == expected
    assert items_of("--history", *items, "--kinds", *names, PATH) == expected
    assert items_of(PATH, "--kinds", *names, stdin="\n".join(items)) == expected
    same = items_of(PATH, "--kinds", "skip", stdin="\n".join(items))
    assert same == items_of(PATH, "--history", *items, "--kinds", *["skip"] * 3) != expected
    status, _, errors = command("recommend", PATH, "--history", *items)
    assert (status, KNOWN in errors) == (1, True)
    status, _, errors = command("recommend", PATH, "--history", *items, "--kinds", "view", "buy")
    assert (status, "found `buy`" in errors) == (1, True)


def test_recommend_answers_an_empty_history(command, both):
    expected = [item for item, _ in both.top_k(3)]
    for words, stdin in ((["--history"], ""), ([], ""), ([], "nobody\n")):
        options = [] if not stdin else ["--skip-unknown", "--kinds", "view"]
        status, output, errors = command(
            "recommend", PATH, *words, *options, "-k", 3, "--json", stdin=stdin
        )
        assert status == 0, errors
        facts = json.loads(output)
        assert (facts["events"], [one["item"] for one in facts["items"]]) == (0, expected)
    assert command("recommend", PATH, "--history")[2].startswith("0 events, ")
    status, _, errors = command("recommend", GOLDEN / "kinds.safetensors", "--history")
    assert status == 1
    assert "by --history or standard input (the model has no start vector)" in errors
