"""The results of top_k: items, order and scores."""

import numpy as np
import pytest
import torch
from recgrela import EdgeScorer
from recgrela_train.export.model_file import export_model


def best(scorer: EdgeScorer, items: list) -> list:
    """Items by score, best first, ties by catalogue order."""
    scores = dict(zip(scorer.item_ids, scorer.score(scorer.item_ids), strict=True))
    return [item for item in sorted(scores, key=lambda i: -scores[i]) if item in set(items)]


@pytest.fixture
def played(scorer, small):
    """A session with 12 events."""
    scorer.extend(small.history(12))
    return scorer


@pytest.mark.parametrize("items", [1, 31, 32, 33, 70])
@pytest.mark.parametrize("table", ["f32", "f16"])
def test_scores_are_those_of_score(export, items, table):
    file = export(items=items, table=table)
    scorer = file.load()
    scorer.extend(file.history(12))
    top = scorer.top_k(items, exclude_seen=False)
    assert sorted(top.ids) == sorted(file.ids)
    assert top.ids == best(scorer, file.ids)
    assert top.scores.dtype == np.float32
    assert top.scores.tobytes() == scorer.score(top.ids).tobytes()


@pytest.mark.parametrize("kind", ["int", "str"])
def test_the_result_iterates_as_id_and_score(export, kind):
    scorer = export(kind).load()
    scorer.extend(export(kind).history(12))
    top = scorer.top_k(4)
    assert len(top) == len(top.ids) == len(top.scores) == 4
    assert list(top) == list(zip(top.ids, top.scores.tolist(), strict=True)) == list(top)
    assert {type(item) for item in top.ids} == {int if kind == "int" else str}
    scores = ", ".join(str(score) for score in top.scores)  # float32, with all its digits
    assert repr(top) == f"TopK(ids={top.ids!r}, scores=[{scores}])"


def test_ten_by_default(played):
    assert played.top_k().ids == played.top_k(10).ids
    assert len(played.top_k()) == 10


def test_seen_items_are_left_out(played, small):
    unseen = [item for item in small.ids if item not in played.seen]
    assert played.top_k(70).ids == best(played, unseen)
    assert played.top_k(70, exclude_seen=False).ids == best(played, small.ids)


def test_allow_and_deny(played, small):
    allow, deny = small.ids[10:60], small.ids[20:30]
    wanted = set(allow) - set(deny) - set(played.seen)
    assert played.top_k(7, allow=allow, deny=deny).ids == best(played, wanted)[:7]
    unseen = set(small.ids) - set(played.seen)
    assert played.top_k(7, deny=deny).ids == best(played, unseen - set(deny))[:7]
    both = played.top_k(7, allow=allow, exclude_seen=False)
    assert both.ids == best(played, allow)[:7]


def test_lists_may_be_in_any_order_and_repeat(played, small):
    allow = [small.ids[i] for i in (40, 3, 40, 69, 3)]
    expected = best(played, allow)
    assert played.top_k(9, allow=allow, exclude_seen=False).ids == expected
    assert played.top_k(9, allow=np.array(allow), exclude_seen=False).ids == expected
    assert played.top_k(9, allow=set(allow), exclude_seen=False).ids == expected


def test_fewer_than_k_are_never_padded(played, small):
    assert played.top_k(10, allow=[]).ids == []
    assert played.top_k(10, deny=small.ids).ids == []
    assert len(played.top_k(10, allow=played.seen)) == 0
    left = len(small.ids) - len(played.seen)
    for k in (left, left + 1, 71, 2**40, 2**64, 10**30):
        assert len(played.top_k(k)) == left


def test_none_at_all(played):
    top = played.top_k(0)
    assert (top.ids, top.scores.shape, list(top)) == ([], (0,), [])


@pytest.mark.parametrize("k", [-1, -(2**40), -(10**30), np.int64(-3)])
def test_a_negative_k_is_a_value_error(played, k):
    with pytest.raises(ValueError, match=f"expected 0 or more, found {k}"):
        played.top_k(k)


@pytest.mark.parametrize("k", [2.0, None, "3"])
def test_a_k_of_another_type_is_a_type_error(played, k):
    with pytest.raises(TypeError, match="integer"):
        played.top_k(k)


def test_unknown_items_in_a_list_are_key_errors(played, small):
    for name in ("allow", "deny"):
        with pytest.raises(KeyError, match="4242"):
            played.top_k(3, **{name: [small.ids[0], 4242]})


def test_equal_scores_rank_by_the_order_of_the_catalogue(export, tmp_path):
    file = export(seed=11)
    model = file.model
    with torch.no_grad():
        model.embedding.weight[1:] = model.embedding.weight[1]
    path = tmp_path / "equal.safetensors"
    export_model(model, np.array(file.ids), path)
    scorer = EdgeScorer.load(path)
    scorer.extend([file.ids[40], file.ids[2]])
    unseen = [item for item in file.ids if item not in scorer.seen]
    for k in (1, 5, 33, 70):
        top = scorer.top_k(k)
        assert top.ids == unseen[:k]
        assert len(set(top.scores.tolist())) == 1
