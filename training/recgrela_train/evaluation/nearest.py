"""The trained item that is most like a new one by their features: a baseline for cold items."""

import numpy as np
import torch
from torch import Tensor

from ..data import ItemFeatures

PART = 256  # new items at a time


def nearest_items(features: ItemFeatures, count: int) -> np.ndarray:
    """For each item after the first `count`, which of these is nearest: [M - count], from 0.

    Nearest is the largest cosine of their features, with 1 for each category that an item has. Of
    several, it is the first, which is the most frequent one.
    """
    trained, size = _categories(features, count), features.num_values
    codes, offsets = features.codes, features.offsets
    dense = torch.from_numpy(features.dense)
    norm = (torch.from_numpy(np.diff(offsets)) + dense.square().sum(1)).sqrt().clamp(min=1e-12)
    found = []
    for begin in range(count, len(dense), PART):
        end = min(begin + PART, len(dense))
        here = torch.zeros(end - begin, size)
        rows = np.repeat(np.arange(end - begin), np.diff(offsets[begin : end + 1]))
        here[torch.from_numpy(rows), torch.from_numpy(codes[offsets[begin] : offsets[end]])] = 1
        products = dense[:count] @ dense[begin:end].T
        if size:
            products = products + trained @ here.T
        found.append((products / norm[:count, None]).argmax(0).numpy())
    return np.concatenate(found)


def _categories(features: ItemFeatures, count: int) -> Tensor:
    """Which categories each of the first items has, [count, V], sparse."""
    offsets = features.offsets[: count + 1]
    codes = features.codes[: offsets[-1]]
    rows = np.repeat(np.arange(count), np.diff(offsets))
    indices = torch.from_numpy(np.stack([rows, codes]))
    shape = count, features.num_values
    return torch.sparse_coo_tensor(indices, torch.ones(len(codes)), shape, check_invariants=True)
