"""Vectors of items as sums with those of their features: values, what is dropped, gradients."""

import numpy as np
import pytest
import torch
from recgrela_train.networks.item_embedding import FeatureEmbedding

SIZE = 8
CODES = [[0, 2], [1], [], [0, 1, 2]]
NONE = 3  # an item without features
DENSE = np.array([[0.5, -1], [2, 0], [0, 0], [0, 1]], np.float32)


def make(feature_only: float = 0.0, codes=CODES, dense=DENSE) -> FeatureEmbedding:
    torch.manual_seed(3)
    flat = torch.tensor([code for row in codes for code in row], dtype=torch.int64)
    offsets = torch.tensor([0, *np.cumsum([len(row) for row in codes])])
    count = int(flat.max()) + 1 if len(flat) else 0
    return FeatureEmbedding(
        SIZE, flat, offsets, torch.from_numpy(dense), count, feature_only
    )  # fmt: skip


def expected(embedding: FeatureEmbedding, own: bool = True) -> torch.Tensor:
    """The vectors by the definition, one item at a time."""
    rows = [torch.zeros(SIZE)]
    values, linear = embedding.features.values, embedding.features.linear
    for item, codes in enumerate(CODES):
        row = embedding.weight[item + 1] if own or item + 1 == NONE else torch.zeros(SIZE)
        for code in codes:
            row = row + values[code]
        for number, weight in zip(DENSE[item], linear, strict=True):
            row = row + float(number) * weight
        rows.append(row)
    return torch.stack(rows)


def test_a_vector_is_the_sum_of_its_parts():
    embedding = make().eval()
    items = torch.tensor([[4, 0, 1], [3, 4, 2]])
    torch.testing.assert_close(embedding.table(), expected(embedding))
    torch.testing.assert_close(embedding(items), expected(embedding)[items])
    torch.testing.assert_close(embedding.folded(), expected(embedding))


def test_own_parts_are_dropped_in_training_alone():
    embedding = make(feature_only=0.3)
    whole, bare = expected(embedding), expected(embedding, own=False)
    items = torch.arange(1, 5).repeat(4000, 1)
    for found in (embedding(items), torch.stack([embedding.table()[1:] for _ in range(4000)])):
        dropped = (found - bare[items]).abs().amax(2) < 1e-6
        kept = (found - whole[items]).abs().amax(2) < 1e-6
        assert (dropped | kept).all()
        share = dropped.float().mean(0)
        assert share[[0, 1, 3]].numpy() == pytest.approx(0.3, abs=0.03)
        assert kept[:, NONE - 1].all()  # it has nothing else
    torch.testing.assert_close(embedding.folded(), whole)
    torch.testing.assert_close(embedding.eval()(items), whole[items])


def test_a_look_up_has_gradients_of_its_rows_and_of_their_features():
    embedding = make()
    embedding.sparse = True
    embedding(torch.tensor([1, 1, 3])).sum().backward()
    assert set(embedding.weight.grad.coalesce().indices()[0].tolist()) == {1, 3}
    values = embedding.features.values.grad
    assert values[:, 0].tolist() == [2, 0, 2]
    assert embedding.features.linear.grad[:, 0].tolist() == [1, -2]


def test_the_table_has_gradients_of_all_parts():
    embedding = make()
    embedding.table()[1:].sum().backward()
    assert embedding.weight.grad[1:].unique().tolist() == [1]
    assert embedding.features.values.grad[:, 0].tolist() == [2, 2, 2]
    assert not embedding.weight.grad[0].any()


def test_the_table_of_an_evaluation_is_computed_once_and_never_stale():
    embedding = make().eval()
    with torch.inference_mode():
        first = embedding.table()
        assert embedding.table() is first
    embedding.train()
    with torch.no_grad():
        embedding.features.values += 1
    embedding.eval()
    with torch.inference_mode():
        torch.testing.assert_close(embedding.table(), expected(embedding))


def test_only_categories_or_only_numbers():
    empty = np.zeros((4, 0), np.float32)
    assert make(dense=empty).features.linear is None
    numbers = make(codes=[[]] * 4)
    assert numbers.features.values is None
    torch.testing.assert_close(
        numbers.folded()[1:],
        numbers.weight[1:] + torch.from_numpy(DENSE) @ numbers.features.linear,
    )
    numbers(torch.tensor([1, 2])).sum().backward()
