"""Rounding a trained model to the types of its file.

`round_table` returns the stored values. `rounded_model` returns the model with exactly these
values, which is measured and whose scores are the file's self-test.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..networks.grela import RecGrela
from ..networks.network import with_table
from .weight_types import MatrixType, TableType

LARGEST = 127  # the int8 range is symmetric: -128 is not used
ROWS = 1 << 14  # items quantised at once, to bound memory


@dataclass(frozen=True)
class Table:
    """The item table in its stored type, before it is laid out in blocks."""

    values: np.ndarray  # [N, D] float32, float16 or int8
    scale: np.ndarray | None  # [N] float32, if the values are int8

    def rows(self, items: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The dequantised embeddings, [n, D] float32, of items numbered from 0."""
        rows: np.ndarray = self.values[items].astype(np.float32, copy=False)
        if self.scale is None:
            return rows
        with np.errstate(over="ignore", invalid="ignore"):  # the exporter refuses such values
            rows = rows * self.scale[items, None]
        return rows


def round_table(model: RecGrela, kind: TableType) -> Table:
    """The model's item table in the type of the file.

    Values out of range become infinite, and non-finite values yield a non-finite scale. The
    exporter refuses both.
    """
    rows = model.embedding.weight.detach()[1:].numpy()
    match kind:
        case TableType.INT8:
            return _quantize(rows)
        case TableType.F16:
            with np.errstate(over="ignore"):
                return Table(rows.astype(np.float16), None)
        case TableType.F32:
            return Table(rows, None)


def _quantize(rows: np.ndarray) -> Table:
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
    return Table(values, scale)


def rounded_model(
    model: RecGrela, table: Table, matrices: MatrixType, items: np.ndarray | slice = slice(None)
) -> RecGrela:
    """A float32 copy of the model with the values of its file, in evaluation mode.

    It has all items, or those whose indices (from 0) are in `items`, in that order.
    """
    rows = torch.from_numpy(table.rows(items))
    padded = nn.functional.pad(rows, (0, 0, 1, 0))
    rounded = with_table(model, padded)
    if matrices == MatrixType.F16:
        for layer in rounded.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data = layer.weight.data.half().float()
    return rounded.eval()
