"""The sample of items: as often as stated, without work over all items."""

import pytest
import torch
from recgrela_train.config import ConfigError, TrainConfig
from recgrela_train.fitting.negatives import (
    FULL_SOFTMAX_ITEMS,
    NegativeSampler,
    negative_sampler,
)

SIZES = [(3, 3), (3, 4), (10, 10), (9, 10), (8, 50), (512, 3_416), (8_192, 1_000_000)]


@pytest.mark.parametrize(("count", "items"), [*SIZES, (8_192, 2**40)])
def test_a_sample_is_in_order_and_has_few_copies(count, items):
    torch.manual_seed(0)
    sampler = NegativeSampler(count, items)
    for _ in range(20):
        drawn = sampler.draw()
        assert len(drawn) == count
        assert drawn[0] >= 1
        assert drawn[-1] <= items
        assert (drawn.diff() >= 0).all()
        assert drawn.unique_consecutive(return_counts=True)[1].max() <= 2
        assert len(drawn.unique()) > 0.6 * count


@pytest.mark.parametrize(("count", "items"), SIZES)
def test_expectations_add_up_to_the_size_of_the_sample(count, items):
    expected = NegativeSampler(count, items).log_count(torch.arange(1, items + 1)).exp()
    assert float(expected.double().sum()) == pytest.approx(count, rel=1e-5)
    assert expected.max() <= 1


def test_expectations_are_log_uniform_below_one():
    items = torch.arange(1, 51)
    expected = NegativeSampler(8, 50).log_count(items).exp()
    always = int((expected == 1).sum())
    assert 0 < always < 8
    assert (expected[:always] == 1).all()
    rest = torch.log((items + 1) / items)[always:]
    torch.testing.assert_close(expected[always:] / expected[-1], rest / rest[-1])


def test_items_are_drawn_as_often_as_expected():
    torch.manual_seed(1)
    sampler, counts, draws = NegativeSampler(8, 50), torch.zeros(51), 4_000
    for _ in range(draws):
        counts.index_add_(0, sampler.draw(), torch.ones(8))
    expected = sampler.log_count(torch.arange(1, 51)).exp()
    torch.testing.assert_close(counts[1:] / draws, expected, atol=0.03, rtol=0)


def test_auto_is_full_up_to_the_measured_number_of_items():
    auto = TrainConfig()
    assert negative_sampler(auto, FULL_SOFTMAX_ITEMS) is None
    sampler = negative_sampler(auto, FULL_SOFTMAX_ITEMS + 1)
    assert (sampler.count, sampler.num_items) == (8_192, FULL_SOFTMAX_ITEMS + 1)
    assert negative_sampler(TrainConfig(negatives=50_000), 50_000) is None  # nothing to save
    assert negative_sampler(TrainConfig(loss="full"), 10**7) is None
    assert negative_sampler(TrainConfig(loss="sampled", negatives=30), 30).count == 30


def test_more_negatives_than_items_are_refused():
    with pytest.raises(ConfigError, match=r"train\.negatives is 8,192, but there are only 3,416"):
        negative_sampler(TrainConfig(loss="sampled"), 3_416)
