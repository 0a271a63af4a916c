"""A fleet's users are bit-identical to separate scorers."""

import numpy as np
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
        fleet.append(users, items)
        for user, item in zip(users, items, strict=True):
            alone[user].append(item)
    options = {"deny": model.ids[:5], "max_per_group": 2, "groups": np.arange(70) % 9}
    for choice in ({}, {"exclude_seen": False}, options):
        found = fleet.top_k(range(50), 7, **choice)
        assert [list(top) for top in found] == [list(one.top_k(7, **choice)) for one in alone]
    for user in (0, 17, 49):
        assert fleet.score(user, model.ids).tolist() == alone[user].score(model.ids).tolist()
        assert fleet.session(user).snapshot() == alone[user].snapshot()
        assert (fleet.events(user), fleet.seen(user)) == (alone[user].events, alone[user].seen)


def test_saved_and_continued(small, tmp_path):
    scorer = small.load()
    fleet = Fleet(scorer, 10)
    fleet.append([1, 4, 1], small.ids[:3])
    fleet.save(tmp_path / "fleet")
    again = Fleet.load(tmp_path / "fleet", scorer, 8)
    assert len(again) == again.capacity == 8
    for user in (1, 4):
        assert again.session(user).snapshot() == fleet.session(user).snapshot()
    again.reset(1)
    assert again.events(1) == 0
    again.set(1, fleet.session(4))
    assert again.seen(1) == fleet.seen(4)
    (tmp_path / "fleet").write_bytes((tmp_path / "fleet").read_bytes()[:-5])
    with pytest.raises(ValueError, match="fleet"):
        Fleet.load(tmp_path / "fleet", scorer, 8)


def test_what_does_not_fit_changes_nothing(small):
    fleet = Fleet(small.load(), 3)
    with pytest.raises(ValueError, match="capacity"):
        fleet.append([0, 3], small.ids[:2])
    with pytest.raises(ValueError, match="2"):
        fleet.append([0, 1], small.ids[:1])
    with pytest.raises(KeyError):
        fleet.append([0, 1], [small.ids[0], 10**15])
    assert [fleet.events(user) for user in range(3)] == [0, 0, 0]
    with pytest.raises(ValueError, match="user 2 has no events"):
        fleet.top_k([2])
    with pytest.raises(OverflowError):
        fleet.append([-1], small.ids[:1])
    assert repr(fleet).startswith("Fleet(70 items, capacity 3, ")


def test_a_scorer_with_items_that_the_fleet_does_not_know(small):
    """The same file loaded twice, with different catalogues."""
    vectors = np.ones((2, 16), np.float32)
    scorer, plain = small.load(), small.load()
    scorer.catalog.add([-1, -2], vectors)
    scorer.extend([small.ids[0], -2])
    fleet = Fleet(plain, 2)
    fleet.append([0], small.ids[:1])
    before = fleet.session(0).snapshot()
    with pytest.raises(ValueError, match="found 0 in the active overlay, expected the 2"):
        fleet.set(0, scorer)
    plain.catalog.add([-2, -1], vectors)  # the same items with other indices
    with pytest.raises(ValueError, match="added items"):
        fleet.set(0, scorer)
    assert fleet.session(0).snapshot() == before
    other = Fleet(scorer.new_session(), 1)
    other.set(0, scorer)
    assert other.seen(0) == scorer.seen
    assert list(other.top_k([0])[0]) == list(scorer.top_k())
