"""Items added, replaced and retired while sessions run, and group quotas."""

import numpy as np
import pytest


def vectors(count, size=16, seed=5):
    return np.random.default_rng(seed).normal(size=(count, size)).astype(np.float32)


@pytest.fixture
def model(export):
    return export(ids="str")


def test_added_items_are_ranked_appended_and_scored(model):
    scorer = model.load()
    scorer.extend(model.history(10))
    other = scorer.clone()
    new = vectors(3)
    before = scorer.snapshot()
    scorer.catalog.add(["new-a", "new-b", "new-c"], new)
    assert scorer.snapshot() == before
    assert scorer.num_items == len(scorer.catalog) == 73
    assert "new-b" in scorer and "new-b" in scorer.catalog
    expected = new @ scorer.user_vector()
    found = other.score(["new-a", "new-b", "new-c"])  # another session on the same model
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    best = dict(scorer.top_k(73, exclude_seen=False))
    assert best["new-c"] == found[2]
    assert list(scorer.top_k(73, threads=2)) == list(scorer.top_k(73))
    scorer.append("new-b")
    assert "new-b" in scorer.seen
    restored = other.new_session()
    restored.restore(scorer.snapshot())
    assert list(restored.top_k(9)) == list(scorer.top_k(9))


def test_replaced_and_retired(model):
    scorer = model.load()
    scorer.extend(model.history(5))
    item, gone = scorer.top_k(2).ids
    scorer.catalog.add([item], -1000 * scorer.user_vector()[None])
    scorer.catalog.retire([gone])
    assert scorer.top_k(70, exclude_seen=False).ids[-1] == item
    assert gone not in scorer.top_k(70, exclude_seen=False).ids
    assert scorer.top_k(5, allow=[gone]).ids == []
    scorer.append(gone)
    catalog = scorer.catalog
    assert (catalog.added, catalog.replaced, catalog.retired) == ([], [item], [gone])
    assert repr(catalog) == "Catalog(70 items, 0 added, 1 replaced, 1 retired)"
    catalog.reinstate([gone])
    assert gone in scorer.top_k(70, exclude_seen=False).ids


def test_a_file_of_changes(model, tmp_path):
    scorer, other = model.load(), model.load()
    history = model.history(8)
    path = tmp_path / "changes.safetensors"
    scorer.catalog.add(["x", model.ids[3]], vectors(2))
    scorer.catalog.retire(model.ids[5:7])
    scorer.catalog.save(path)
    other.catalog.load(path)
    for each in (scorer, other):
        each.extend([*history, "x"])
    assert list(other.top_k(20)) == list(scorer.top_k(20))
    with pytest.raises(ValueError, match="added"):
        empty = tmp_path / "none.safetensors"
        model.load().catalog.save(empty)
        other.catalog.load(empty)  # "x" may be in a history
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError):
        model.load().catalog.load(path)
    with pytest.raises(FileNotFoundError) as error:
        other.catalog.load(tmp_path / "nope")
    assert error.value.filename == str(tmp_path / "nope") and error.value.errno == 2


@pytest.mark.parametrize(
    "ids, numbers, error, message",
    [
        (["a"], vectors(2), ValueError, "expected \\[1, 16\\]"),
        (["a"], vectors(1, 8), ValueError, "expected \\[1, 16\\]"),
        (["a", "a"], vectors(2), ValueError, "a"),
        ([7], vectors(1), ValueError, "7"),
        ([1.5], vectors(1), TypeError, "int or a str"),
        (["a"], np.full((1, 16), np.nan), ValueError, "NaN"),
        ("ab", vectors(2), TypeError, "list of item ids"),
    ],
)
def test_what_cannot_be_added_changes_nothing(model, ids, numbers, error, message):
    scorer = model.load()
    with pytest.raises(error, match=message):
        scorer.catalog.add(ids, numbers)
    assert len(scorer.catalog) == 70


@pytest.mark.parametrize("table", ["f32", "f16", "int8"])
def test_vectors_of_items_are_those_that_are_stored(export, table):
    model = export(ids="str", table=table)
    scorer = model.load()
    stored = scorer.item_vectors(model.ids)
    assert stored.shape == (70, 16) and stored.dtype == np.float32
    scorer.extend(model.history(10))
    np.testing.assert_allclose(stored @ scorer.user_vector(), scorer.score(model.ids), rtol=1e-4)
    scorer.catalog.add(["new", model.ids[3]], vectors(2))
    np.testing.assert_array_equal(scorer.item_vectors([model.ids[3], "new"]), vectors(2)[::-1])
    assert scorer.item_vectors([]).shape == (0, 16)
    with pytest.raises(KeyError):
        scorer.item_vectors(["absent"])


def test_added_items_without_a_group_are_one_group(model):
    scorer = model.load(groups=np.zeros(70, int))
    scorer.extend(model.history(10))
    added = {f"new-{n}" for n in range(5)}
    scorer.catalog.add(sorted(added), 10 * scorer.user_vector() + vectors(5) / 100)
    best = scorer.top_k(70, max_per_group=2).ids
    assert len(best) == 4 and len(added.intersection(best)) == 2
    best = scorer.top_k(70, max_per_group=2, groups=[0] * 71 + [1] * 4).ids
    assert len(best) == 4 and len(added.intersection(best) - {"new-0"}) >= 2


def greedy(pairs, groups, limit, k):
    taken, result = {}, []
    for item, score in pairs:
        group = groups[item]
        if taken.get(group, 0) < limit:
            taken[group] = taken.get(group, 0) + 1
            result.append((item, score))
    return result[:k]


@pytest.mark.parametrize("limit", [1, 3])
def test_at_most_so_many_of_a_group(model, limit):
    numbers = np.random.default_rng(2).integers(-3, 3, size=70)
    scorer = model.load(groups=numbers)
    scorer.extend(model.history(10))
    everything = list(scorer.top_k(70))
    groups = dict(zip(model.ids, numbers.tolist(), strict=True))
    expected = greedy(everything, groups, limit, 9)
    assert list(scorer.top_k(9, max_per_group=limit)) == expected
    assert list(scorer.new_session().clone().peek(model.history(10), 9, max_per_group=limit))
    other = numbers * 0
    assert len(scorer.top_k(9, max_per_group=limit, groups=other)) == limit
    assert list(scorer.top_k(9)) == everything[:9]


def test_groups_that_do_not_fit(model):
    scorer = model.load()
    scorer.append(model.ids[0])
    with pytest.raises(ValueError, match="no groups"):
        scorer.top_k(3, max_per_group=1)
    with pytest.raises(ValueError, match="max_per_group"):
        scorer.top_k(3, groups=[0] * 70)
    with pytest.raises(ValueError, match="found 69 numbers"):
        scorer.top_k(3, max_per_group=1, groups=[0] * 69)
    with pytest.raises(TypeError, match="integer"):
        scorer.top_k(3, max_per_group=1, groups=["a"] * 70)
