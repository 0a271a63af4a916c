"""Comparison of checkpoints to the bit."""

from pathlib import Path

import torch


def weights(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def assert_same_bits(got, expected) -> None:
    """Assert that tensors, and containers of tensors, are bit-identical."""
    assert type(got) is type(expected)
    if isinstance(expected, dict):
        assert got.keys() == expected.keys()
        for key, value in expected.items():
            assert_same_bits(got[key], value)
    elif isinstance(expected, list | tuple):
        assert len(got) == len(expected)
        for one, other in zip(got, expected, strict=True):
            assert_same_bits(one, other)
    elif isinstance(expected, torch.Tensor):
        assert torch.equal(got, expected)
    else:
        assert got == expected
