"""Rounding a trained model to the types of its file.

`round_table` returns the stored values. `rounded_model` returns the model with exactly these
values, which is measured and whose scores are the file's self-test.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..networks.grela import RecGrela
from ..networks.network import with_table
from .weight_types import WeightType

LARGEST = 127  # the int8 range is symmetric: -128 is not used
ROWS = 1 << 14  # quantised at once, to bound memory


@dataclass(frozen=True)
class Rows:
    """The item table, or a matrix with a row per output, in its stored type."""

    values: np.ndarray  # [n, m] float32, float16 or int8
    scale: np.ndarray | None  # [n] float32, if the values are int8

    def dequantized(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The values of some rows, float32."""
        values: np.ndarray = self.values[rows].astype(np.float32, copy=False)
        if self.scale is None:
            return values
        with np.errstate(over="ignore", invalid="ignore"):  # the exporter refuses such values
            values = values * self.scale[rows, None]
        return values


def round_table(model: RecGrela, kind: WeightType) -> Rows:
    """The model's item table, a row per item, in the type of the file."""
    return _rounded(model.embedding.weight[1:], kind)


def round_matrix(layer: nn.Linear, kind: WeightType) -> Rows:
    """A layer's weights, a row per output, in the type of the file."""
    return _rounded(layer.weight, kind)


def _rounded(tensor: Tensor, kind: WeightType) -> Rows:
    """Rows in another type.

    Values out of range become infinite, and non-finite values yield a non-finite scale. The
    exporter refuses both.
    """
    rows = tensor.detach().float().numpy()
    match kind:
        case WeightType.INT8:
            return _quantize(rows)
        case WeightType.F16:
            with np.errstate(over="ignore"):
                return Rows(rows.astype(np.float16), None)
        case WeightType.F32:
            return Rows(rows, None)


def _quantize(rows: np.ndarray) -> Rows:
    """Quantises to int8 with one scale per row, so that its largest magnitude becomes 127."""
    values = np.empty(rows.shape, np.int8)
    scale = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), ROWS):
        part = slice(begin, begin + ROWS)
        scale[part] = np.abs(rows[part]).max(axis=1) / np.float32(LARGEST)
        divisor = np.where(scale[part] == 0, np.float32(1), scale[part])
        with np.errstate(invalid="ignore"):
            whole = np.rint(rows[part] / divisor[:, None])  # half to even
            # A subnormal scale has few bits, so a quotient may exceed 127.
            values[part] = whole.clip(-LARGEST, LARGEST)
    return Rows(values, scale)


def rounded_model(
    model: RecGrela, table: Rows, matrices: WeightType, items: np.ndarray | slice = slice(None)
) -> RecGrela:
    """A float32 copy of the model with the values of its file, in evaluation mode.

    It has all items, or those whose indices (from 0) are in `items`, in that order.
    """
    rows = torch.from_numpy(table.dequantized(items))
    padded = nn.functional.pad(rows, (0, 0, 1, 0))
    rounded = with_table(model, padded)
    for layer in rounded.modules():
        if isinstance(layer, nn.Linear):
            layer.weight.data = torch.from_numpy(round_matrix(layer, matrices).dequantized())
    return rounded.eval()
