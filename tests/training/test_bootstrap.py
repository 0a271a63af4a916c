"""Compares confidence intervals with a plain bootstrap over users and with known values."""

import numpy as np
import pytest
from recgrela_train.evaluation.bootstrap import BEYOND, GROUPS, differences, intervals
from recgrela_train.evaluation.metrics import gains, summarize

DRAWS = 20_000


def drawn(values: np.ndarray, users: np.ndarray | None = None, draws: int = DRAWS) -> list[float]:
    """The central 95% of the means of `values`, with users drawn by index."""
    generator = np.random.default_rng(5)
    users = np.arange(len(values)) if users is None else np.unique(users, return_inverse=True)[1]
    sums, counts = (np.bincount(users, each) for each in (values, np.ones(len(values))))
    chosen = generator.integers(len(sums), size=(draws, len(sums)))
    means = sums[chosen].sum(1) / counts[chosen].sum(1)
    return np.quantile(means, (0.025, 0.975)).tolist()


def some_ranks(users: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).geometric(0.05, size=users)


@pytest.mark.parametrize("users", [30, 400])
def test_intervals_are_those_of_users_drawn_one_by_one(users):
    rank = some_ranks(users, 1)
    got = intervals(rank)
    figures, gain = summarize(rank), gains(rank)
    assert list(got) == list(figures)
    for metric in ("hr@5", "ndcg@10", "mrr@20"):
        assert got[metric].value == pytest.approx(figures[metric], abs=1e-12)
        width = np.ptp(drawn(gain[metric]))
        assert got[metric][1:] == pytest.approx(drawn(gain[metric]), abs=0.06 * width)


def test_differences_are_of_pairs_of_users():
    rank = some_ranks(300, 1)
    other = np.maximum(1, rank + np.random.default_rng(2).integers(-1, 3, size=300))
    got = differences(rank, other)["ndcg@10"]
    gain = gains(rank)["ndcg@10"] - gains(other)["ndcg@10"]
    assert got.value == pytest.approx(gain.mean(), abs=1e-12)
    assert got[1:] == pytest.approx(drawn(gain), abs=0.06 * np.ptp(drawn(gain)))
    alone = intervals(rank)["ndcg@10"]
    assert got.high - got.low < 0.5 * (alone.high - alone.low)


def test_of_several_runs_a_user_counts_with_the_mean():
    runs, others = (np.stack([some_ranks(300, seed + i) for i in (0, 1, 2)]) for seed in (1, 7))
    gain, lost = (gains(ranks)["ndcg@10"].mean(0) for ranks in (runs, others))
    for got, expected in (
        (intervals(runs)["ndcg@10"], gain),
        (differences(runs, others)["ndcg@10"], gain - lost),
    ):
        assert got.value == pytest.approx(expected.mean(), abs=1e-12)
        assert got[1:] == pytest.approx(drawn(expected), abs=0.06 * np.ptp(drawn(expected)))


def test_one_run_is_compared_with_the_mean_of_several():
    runs, other = np.stack([some_ranks(300, seed) for seed in (1, 2, 3)]), some_ranks(300, 7)
    expected = differences(runs, np.stack([other] * 3))
    for metric, got in differences(runs, other).items():
        assert tuple(got) == pytest.approx(tuple(expected[metric]), abs=1e-12)


def several(users: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Users of 1 to 9 targets, and ranks that differ far more between users than within one."""
    random = np.random.default_rng(seed)
    number = np.repeat(np.arange(users) * 3 + 1, random.integers(1, 10, users))
    rank = random.geometric(random.choice([0.02, 0.5], users))
    return np.maximum(1, rank[number // 3] + random.integers(-1, 2, len(number))), number


@pytest.mark.parametrize("users", [40, 3 * GROUPS])
def test_users_are_drawn_with_all_of_their_targets(users):
    rank, number = several(users, 1)
    got, gain = intervals(rank, number), gains(rank)
    for metric in ("hr@5", "ndcg@10", "mrr@20"):
        assert got[metric].value == pytest.approx(gain[metric].mean(), abs=1e-12)
        expected = drawn(gain[metric], number, 4_000)
        assert got[metric][1:] == pytest.approx(expected, abs=0.1 * np.ptp(expected))
    alone = intervals(rank)["ndcg@10"]  # as if all targets were independent
    assert got["ndcg@10"].high - got["ndcg@10"].low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize("users", [40, 3 * GROUPS])
def test_differences_draw_users_with_all_of_their_targets(users):
    rank, number = several(users, 1)
    other = np.maximum(1, rank + np.random.default_rng(2).integers(-1, 4, len(rank)))
    got = differences(rank, other, number)["ndcg@10"]
    gain = gains(rank)["ndcg@10"] - gains(other)["ndcg@10"]
    expected = drawn(gain, number, 4_000)
    assert got.value == pytest.approx(gain.mean(), abs=1e-12)
    assert got[1:] == pytest.approx(expected, abs=0.1 * np.ptp(expected))


def test_users_may_be_in_any_order_and_have_one_target():
    rank, number = several(40, 3)
    shuffled = np.random.default_rng(0).permutation(len(rank))
    expected = intervals(rank, number)
    for metric, got in intervals(rank[shuffled], number[shuffled]).items():
        assert tuple(got) == pytest.approx(tuple(expected[metric]), abs=1e-12)
    assert intervals(rank, np.arange(len(rank))) == intervals(rank)


def test_what_does_not_vary_has_no_width():
    assert tuple(intervals(np.full(50, 3))["mrr@5"]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    rank = some_ranks(50, 3)
    assert all(tuple(i) == (0, 0, 0) for i in differences(rank, rank).values())


def test_ranks_beyond_the_last_cutoff_are_all_the_same():
    rank = some_ranks(50, 4)
    assert intervals(rank) == intervals(np.where(rank >= BEYOND, 10**6, rank))


def test_half_of_users_hit_has_the_binomial_interval():
    # 100 of 200 users: the interval of a proportion of 1/2 is 1/2 -+ 1.96 sqrt(1/4 / 200), or .069.
    got = intervals(np.repeat([1, 100], 100))["hr@10"]
    assert got.value == 0.5
    assert got[1:] == pytest.approx((0.5 - 0.0693, 0.5 + 0.0693), abs=0.006)


def test_a_pair_needs_two():
    with pytest.raises(ValueError, match="the same targets: 3 and 2"):
        differences(np.array([1, 2, 3]), np.array([1, 2]))
