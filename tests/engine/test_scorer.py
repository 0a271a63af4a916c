"""EdgeScorer as a user sees it: loading, events, scores and repr."""

import copy

import numpy as np
import polars
import pytest
import recgrela
from recgrela import EdgeScorer, Fleet


def same_future(a: EdgeScorer, b: EdgeScorer, ids: list) -> bool:
    """Whether two sessions are bit-identical."""
    return a.snapshot() == b.snapshot() and a.score(ids).tobytes() == b.score(ids).tobytes()


@pytest.mark.parametrize("kind", ["int", "str"])
def test_load_takes_a_path_a_text_and_the_bytes(export, kind):
    file = export(kind)
    content = file.path.read_bytes()
    scorers = [
        EdgeScorer.load(file.path),
        EdgeScorer.load(str(file.path)),
        *(EdgeScorer.from_bytes(form(content)) for form in (bytes, bytearray, memoryview)),
    ]
    for scorer in scorers:
        scorer.extend(file.history(10))
        assert same_future(scorer, scorers[0], file.ids)
        assert scorer.item_ids == file.ids


def test_the_constructor_is_load():
    with pytest.raises(TypeError, match="cannot create"):
        EdgeScorer()


def test_append_and_extend_are_the_same_events(small):
    one, many, generator = small.load(), small.load(), small.load()
    history = small.history(20)
    assert [one.append(item) for item in history] == [True] * 20
    assert many.extend(history) == 20
    assert generator.extend(item for item in history) == 20
    assert one.events == many.events == 20
    assert same_future(one, many, small.ids)
    assert same_future(one, generator, small.ids)
    assert many.extend([]) == 0
    assert many.events == 20


def test_a_step_is_append_and_top_k(small):
    one, two = small.load(), small.load()
    for item in small.history(9):
        best = one.step(item, 5)
        two.append(item)
        assert (best.ids, [*best.scores]) == (two.top_k(5).ids, [*two.top_k(5).scores])
    assert (
        one.step(small.ids[4], exclude_seen=False).ids
        == two.peek([small.ids[4]], exclude_seen=False).ids
    )
    assert one.step(4242, 5, unknown="skip").ids == one.top_k(5).ids
    first, second = one.peek([small.ids[5]], 2).ids
    assert one.clone().step(small.ids[5], 1, deny=[first]).ids == [second]
    before = one.snapshot()
    with pytest.raises(KeyError, match="4242"):
        one.step(4242)
    with pytest.raises(ValueError, match="expected 0 or more"):
        one.step(small.ids[0], -1)
    with pytest.raises(KeyError, match="4242"):
        one.step(small.ids[0], deny=[4242])
    assert one.snapshot() == before


@pytest.mark.parametrize("kind", [np.int32, np.int64, np.uint64, np.uint8])
def test_numpy_integers_are_ids(small, kind):
    history = [item for item in small.history(60) if 0 <= item < 256]
    plain, numpy = small.load(), small.load()
    plain.extend(history)
    numpy.extend(np.array(history, dtype=kind))
    assert numpy.append(kind(history[0])) and plain.append(history[0])
    assert same_future(plain, numpy, small.ids)
    assert kind(history[0]) in numpy


def test_numpy_strings_are_ids(export):
    file = export("str")
    plain, numpy = file.load(), file.load()
    plain.extend(file.ids[1:9])
    numpy.extend(np.array(file.ids[1:9]))
    assert same_future(plain, numpy, file.ids)


def test_an_unknown_id_is_a_key_error_and_takes_in_nothing(scorer, small):
    scorer.extend(small.history(5))
    before = scorer.snapshot()
    with pytest.raises(KeyError, match="item 4242 is not among the model's 70 items"):
        scorer.append(4242)
    with pytest.raises(KeyError, match="4242"):
        scorer.extend([*small.history(5), 4242])
    with pytest.raises(KeyError, match="4242"):
        scorer.score([small.ids[0], 4242])
    assert scorer.snapshot() == before


def test_an_error_of_the_iterator_takes_in_nothing(scorer, small):
    def broken():
        yield small.ids[3]
        raise RuntimeError("the reader failed")

    with pytest.raises(RuntimeError, match="the reader failed"):
        scorer.extend(broken())
    assert scorer.events == 0


def test_the_iterator_may_use_the_scorer(scorer, small):
    assert scorer.extend(i for i in small.ids[:3] if scorer.append(small.ids[5])) == 3
    assert scorer.events == 6


def test_unknown_ids_may_be_skipped(scorer, small):
    known = small.ids[:3]
    assert scorer.append(4242, unknown="skip") is False
    assert scorer.events == 0
    assert scorer.extend([4242, *known, -1], unknown="skip") == 3
    plain = small.load()
    plain.extend(known)
    assert same_future(scorer, plain, small.ids)
    expected = scorer.top_k(5, allow=small.ids[5:12])
    skipped = scorer.top_k(5, allow=[4242, *small.ids[5:12]], deny=[-1], unknown="skip")
    assert skipped.ids == expected.ids


def test_an_id_of_the_other_type_is_named_as_such(small, export):
    with pytest.raises(KeyError, match=r"item '100' is not .*; its ids are of type int"):
        small.load().append("100")
    with pytest.raises(KeyError, match=r"item 100 is not .*; its ids are of type str"):
        export("str").load().append(100)


@pytest.mark.parametrize(("kind", "wrong"), [("int", "127"), ("str", 127)])
def test_an_id_of_the_other_type_is_never_skipped(export, kind, wrong):
    file = export(kind)
    scorer = file.load()
    scorer.append(file.ids[0])
    before, skip = scorer.snapshot(), {"unknown": "skip"}
    for call in (
        lambda: scorer.append(wrong, **skip),
        lambda: scorer.extend([file.ids[1], wrong], **skip),
        lambda: scorer.peek([wrong], **skip),
        lambda: scorer.top_k(3, deny=[wrong], **skip),
        lambda: scorer.top_k(3, allow=[wrong], **skip),
        lambda: Fleet(scorer, 1).top_k([], deny=[wrong], **skip),
        lambda: scorer.migrate(before, [wrong]),
    ):
        with pytest.raises(
            KeyError, match=rf"item {wrong!r} is not .*; its ids are of type {kind}"
        ):
            call()
    assert scorer.snapshot() == before


@pytest.mark.parametrize("unordered", [set, frozenset])
def test_a_set_has_no_order_for_a_history(scorer, small, unordered):
    items = unordered(small.ids[:3])
    scorer.extend(dict.fromkeys(small.ids[5:8]).keys())  # in insertion order
    vectors = np.ones((3, 16), np.float32)
    for call in (
        lambda: scorer.extend(items),
        lambda: scorer.peek(items),
        lambda: scorer.score(items),
        lambda: scorer.migrate(scorer.snapshot(), items),
        lambda: scorer.catalog.add(items, vectors),
        lambda: Fleet(scorer, 3).append([0, 1, 2], items),
    ):
        with pytest.raises(TypeError, match=f"found a {unordered.__name__}, which is unordered"):
            call()
    assert (scorer.events, len(scorer.catalog)) == (3, 70)
    for name in ("allow", "deny"):  # where order does not matter
        assert list(scorer.top_k(**{name: items})) == list(scorer.top_k(**{name: list(items)}))


def test_a_table_is_not_a_list_of_ids(export):
    """Iterating over it would yield column names or rows as ids."""
    scorer = export("str").load()
    for table in (polars.DataFrame({"movie-3": ["movie-4"]}), np.array([["movie-3"]])):
        for call in (scorer.extend, lambda items: scorer.extend(items, unknown="skip")):
            with pytest.raises(
                TypeError, match=r"expected a list of item ids, found shape \(1, 1\)"
            ):
                call(table)
    assert scorer.extend(polars.Series(["movie-3"])) == 1


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**100, np.uint64(2**64 - 1)])
def test_huge_integers_are_unknown(scorer, number):
    assert number not in scorer
    assert scorer.append(number, unknown="skip") is False
    with pytest.raises(KeyError, match=str(number)):
        scorer.append(number)


def test_the_ends_of_the_id_range(scorer):
    assert scorer.extend([2**63 - 1, -5]) == 2


def test_half_a_surrogate_pair_is_unknown(export):
    scorer = export("str").load()
    assert "\ud800" not in scorer
    assert scorer.append("\ud800", unknown="skip") is False
    with pytest.raises(KeyError, match=r"\\ud800"):
        scorer.append("\ud800")


@pytest.mark.parametrize("wrong", [None, 1.0, b"100", [100], np.float32(100)])
@pytest.mark.parametrize("unknown", ["error", "skip"])
def test_what_cannot_be_an_id_is_a_type_error(scorer, wrong, unknown):
    name = type(wrong).__name__
    with pytest.raises(TypeError, match=f"an item id is an int or a str, found {name}"):
        scorer.append(wrong, unknown=unknown)
    with pytest.raises(TypeError, match=f"found {name}"):
        scorer.extend([wrong], unknown=unknown)
    assert wrong not in scorer
    assert scorer.events == 0


@pytest.mark.parametrize("wrong", ["100", b"dd", bytearray(b"dd"), 100, None])
def test_one_value_where_a_list_belongs_is_a_type_error(scorer, small, wrong):
    scorer.append(small.ids[0])
    message = f"expected a list of item ids, found one {type(wrong).__name__}"
    for call in (scorer.extend, scorer.score):
        with pytest.raises(TypeError, match=message):
            call(wrong)
    if wrong is not None:  # None means "no list" there
        for name in ("allow", "deny"):
            with pytest.raises(TypeError, match=message):
                scorer.top_k(3, **{name: wrong})
    assert scorer.events == 1


def test_a_wrong_unknown_is_a_value_error(scorer, small):
    expected = "unknown: found 'ignore', expected 'error' or 'skip'"
    for call in (scorer.append, lambda item, **o: scorer.extend([item], **o)):
        with pytest.raises(ValueError, match=expected):
            call(small.ids[0], unknown="ignore")
    with pytest.raises(TypeError):
        scorer.append(small.ids[0], unknown=None)
    assert scorer.events == 0


def test_before_the_first_event_there_is_no_score(scorer, small):
    for call in (lambda: scorer.score(small.ids), scorer.top_k, scorer.user_vector):
        with pytest.raises(ValueError, match="no events: append at least one item"):
            call()


def test_score_is_the_product_with_the_embedding(scorer, small):
    scorer.extend(small.history(30))
    scores = scorer.score(small.ids)
    assert scores.dtype == np.float32 and scores.shape == (70,)
    vector = scorer.user_vector()
    assert vector.dtype == np.float32 and vector.shape == (16,)
    table = small.model.embedding.weight[1:].detach().numpy()
    np.testing.assert_allclose(scores, table @ vector, rtol=1e-5, atol=1e-5)
    twice = scorer.score([small.ids[4], small.ids[2], small.ids[4]])
    assert np.array_equal(twice, scores[[4, 2, 4]])
    assert scorer.score([]).shape == (0,)


def test_what_is_returned_is_the_callers_own(scorer, small):
    scorer.extend(small.history(5))
    before = scorer.snapshot()
    scorer.user_vector()[:] = 0
    scorer.seen.clear()
    scorer.item_ids.clear()
    scorer.config.clear()
    assert scorer.snapshot() == before
    assert scorer.item_ids == small.ids and scorer.config


def test_reset_is_an_empty_session(scorer, small):
    scorer.extend(small.history(30))
    scorer.reset()
    assert scorer.events == 0 and scorer.seen == []
    assert scorer.snapshot() == small.load().snapshot()
    with pytest.raises(ValueError, match="no events"):
        scorer.top_k()


@pytest.mark.parametrize("copied", [EdgeScorer.clone, copy.copy, copy.deepcopy])
def test_a_copy_goes_its_own_way(scorer, small, copied):
    scorer.extend(small.history(30))
    other = copied(scorer)
    assert same_future(scorer, other, small.ids)
    before = scorer.snapshot()
    other.append(small.ids[9])
    assert (scorer.events, other.events) == (30, 31)
    assert scorer.snapshot() == before
    scorer.append(small.ids[9])
    assert same_future(scorer, other, small.ids)


def test_a_new_session_is_another_user(scorer, small):
    scorer.extend(small.history(30))
    other = scorer.new_session()
    assert other.events == 0 and scorer.events == 30
    other.extend(small.history(8, seed=2))
    alone = small.load()
    alone.extend(small.history(8, seed=2))
    assert same_future(other, alone, small.ids)


def test_a_session_outlives_the_scorer_it_came_from(small):
    other = small.load().new_session()
    other.extend(small.history(5))
    assert len(other.top_k(3)) == 3


@pytest.mark.parametrize("kind", ["int", "str"])
def test_contains_seen_and_ids(export, kind):
    file = export(kind)
    scorer = file.load()
    assert all(item in scorer for item in file.ids)
    assert not any(wrong in scorer for wrong in (4242, "4242", None, 1.5, b"", [], "MOVIE-1"))
    history = [file.ids[i] for i in (9, 0, 1, 9, 30)]
    scorer.extend(history)
    assert scorer.seen == [file.ids[i] for i in (0, 1, 9, 30)]
    assert scorer.events == 5
    assert scorer.num_items == len(scorer.item_ids) == 70


def test_what_it_says_of_itself(export):
    file = export("str", table="f16", positions="learned", gate=False)
    scorer = file.load(isa="scalar")
    assert scorer.config == {
        "hidden_size": 16, "num_heads": 2, "num_layers": 2, "inner_size": 64, "num_items": 70,
        "gate": False, "local_conv": True, "positions": "learned", "final_norm": True,
        "start": False, "kinds": [], "gaps": False,
    }  # fmt: skip
    assert scorer.table_dtype == "f16"
    assert scorer.isa == "scalar"
    assert len(scorer.fingerprint) == 64 and int(scorer.fingerprint, 16)
    scorer.extend(file.ids[:2])
    assert repr(scorer) == "EdgeScorer(70 items, 2 events, scalar)"
    assert type(scorer).__module__ == "recgrela"
    names = {"Catalog", "EdgeScorer", "Fleet", "TopK", "TopKArrays", "__version__"}
    assert set(recgrela.__all__) == names


def test_verify_reports_what_it_replayed(small):
    report = small.load(verify=False).verify()
    assert report["sequences"] == 4
    assert report["scores"] == 4 * 64
    assert 0 <= report["max_difference"] < 1e-5


def test_verify_leaves_the_session_alone(scorer, small):
    scorer.extend(small.history(9))
    before = scorer.snapshot()
    scorer.verify()
    assert scorer.snapshot() == before


def test_the_state_is_20_kib_whatever_the_length(export):
    file = export(hidden_size=64, num_heads=4, num_layers=4)
    scorer = file.load()
    assert scorer.state_bytes == 20_480
    for events in (1, 2, 50, 500):
        scorer.extend(file.history(events, seed=events))
        assert scorer.state_bytes == 20_480 + 4 * len(scorer.seen)
    assert len(scorer.seen) == 70 and scorer.events == 553


def test_errors_of_the_callers_own_objects_come_through(scorer):
    class Broken:
        def __iter__(self):
            raise RuntimeError("my own")

        def __index__(self):
            raise RuntimeError("my own")

    with pytest.raises(RuntimeError, match="my own"):
        scorer.extend(Broken())
    with pytest.raises(RuntimeError, match="my own"):
        scorer.append(Broken())
    with pytest.raises(TypeError, match="an item id is an int or a str, found bool"):
        scorer.append(True)
