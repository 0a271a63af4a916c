"""The chunked loss equals PyTorch's cross-entropy in value and gradients, with less memory."""

import pytest
import torch
from recgrela_train.fitting import loss
from recgrela_train.fitting.loss import full_softmax_loss
from recgrela_train.fitting.seen import Histories

POSITIONS, ITEMS, SIZE = 37, 50, 8


def draw(dtype=torch.float64, scale=1.0):
    generator = torch.Generator().manual_seed(5)
    hidden = torch.randn(POSITIONS, SIZE, generator=generator, dtype=dtype) * scale
    weight = torch.randn(ITEMS + 1, SIZE, generator=generator, dtype=dtype)
    targets = torch.randint(1, ITEMS + 1, (POSITIONS,), generator=generator)
    return hidden.requires_grad_(), weight.requires_grad_(), targets


def plain(hidden, weight, targets):
    return torch.nn.functional.cross_entropy(hidden @ weight[1:].T, targets - 1)


def with_gradients(function, hidden, weight, targets, factor=1.0):
    value = function(hidden, weight, targets)
    return value.detach(), *torch.autograd.grad(value * factor, (hidden, weight))


@pytest.mark.parametrize("rows", [1, 7, 36, 37, 1000])
def test_it_is_cross_entropy_whatever_the_chunk(monkeypatch, rows):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", rows * ITEMS)
    monkeypatch.setattr(loss, "MIN_ROWS", 1)
    case = draw()
    got = with_gradients(full_softmax_loss, *case, factor=3.0)
    for a, b in zip(got, with_gradients(plain, *case, factor=3.0), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)
    assert not got[2][0].any()  # the padding row


def draw_histories() -> tuple[Histories, torch.Tensor]:
    """Histories of four rows and an empty one, and what each position has seen, [M, N]."""
    generator = torch.Generator().manual_seed(6)
    always = torch.randint(0, ITEMS + 1, (5, 4), generator=generator)
    recent = torch.randint(0, ITEMS + 1, (5, 12), generator=generator)
    always[4] = recent[4] = 0
    rows = torch.randint(0, 5, (POSITIONS,), generator=generator)
    places = torch.randint(0, 8, (POSITIONS,), generator=generator)
    seen = torch.zeros(POSITIONS, ITEMS + 1, dtype=torch.bool)
    for position, (row, place) in enumerate(zip(rows, places, strict=True)):
        seen[position, always[row]] = seen[position, recent[row, place : place + 5]] = True
    return Histories(always, recent, 5, rows, places), seen[:, 1:]


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_with_histories_the_softmax_excludes_what_was_seen(monkeypatch, rows):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", rows * ITEMS)
    monkeypatch.setattr(loss, "MIN_ROWS", 1)
    case = draw()
    histories, seen = draw_histories()
    case[2].copy_((~seen).int().argmax(1) + 1)  # targets are unseen items

    def masked(hidden, weight, targets):
        logits = (hidden @ weight[1:].T).masked_fill(seen, -torch.inf)
        return torch.nn.functional.cross_entropy(logits, targets - 1)

    def ours(*of):
        return full_softmax_loss(*of, histories)

    for a, b in zip(with_gradients(ours, *case), with_gradients(masked, *case), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_a_large_table_does_not_shrink_a_chunk_below_the_measured_minimum(monkeypatch):
    monkeypatch.setattr(loss, "CHUNK_LOGITS", ITEMS)  # of one row
    chunks = []
    softmax = torch.softmax

    def counted(logits, *arguments, **options):
        chunks.append(len(logits))
        return softmax(logits, *arguments, **options)

    monkeypatch.setattr(torch, "softmax", counted)
    case = draw()
    torch.testing.assert_close(full_softmax_loss(*case), plain(*case))
    assert chunks == [32, POSITIONS - 32]


def test_a_history_longer_than_the_table_makes_a_chunk_smaller():
    recent = torch.zeros(2, 2**17, dtype=torch.int64)
    none = torch.zeros(2, 0, dtype=torch.int64)
    rows = torch.zeros(1, dtype=torch.int64)
    seen = Histories(none, recent, 2**13, rows, rows).seen(1000)
    assert loss.chunk_rows(1000, seen) * seen.width <= loss.CHUNK_LOGITS
    assert loss.chunk_rows(1000, None) == loss.CHUNK_LOGITS // 1000


def test_a_target_without_a_chance_has_a_finite_loss():
    case = draw(torch.float32, scale=100)  # probabilities far below the smallest float32
    assert (torch.softmax(case[0] @ case[1][1:].T, 1) == 0).any()
    for a, b in zip(
        with_gradients(full_softmax_loss, *case), with_gradients(plain, *case), strict=True
    ):
        assert a.isfinite().all()
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5)


def test_under_autocast_the_products_are_in_its_type_and_the_loss_is_float32():
    case = draw(torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        got = with_gradients(full_softmax_loss, *case)
    assert all(tensor.dtype == torch.float32 for tensor in got)
    for a, b in zip(got, with_gradients(plain, *case), strict=True):
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)
        assert not torch.equal(a, b)
