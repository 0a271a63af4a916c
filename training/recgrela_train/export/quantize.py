"""Rounding a trained model to the types that its file holds.

Rounding is defined here once. `round_table` gives the values that are stored; `rounded_model` is
the model that has just these values: it is measured, and its scores are the file's self-test.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from ..networks.grela import RecGrela
from .weight_types import MatrixType, TableType

LARGEST = 127  # of int8: the range is symmetric, -128 is not used
ROWS = 1 << 14  # items that are quantised at once, so that a large table needs little memory


@dataclass(frozen=True)
class Table:
    """The catalogue's table as it is stored, before it is laid out in blocks."""

    values: np.ndarray  # [N, D] float32, float16 or int8
    scale: np.ndarray | None  # [N] float32, where the values are int8

    def rows(self, items: np.ndarray | slice = slice(None)) -> np.ndarray:
        """The embeddings that the stored values stand for, [n, D] float32; items from 0."""
        rows: np.ndarray = self.values[items].astype(np.float32, copy=False)
        if self.scale is None:
            return rows
        with np.errstate(over="ignore", invalid="ignore"):  # the export refuses such values
            rows = rows * self.scale[items, None]
        return rows


def round_table(model: RecGrela, kind: TableType) -> Table:
    """The model's table in the type of the file.

    What does not fit becomes infinite, and what is not finite gives a scale that is not: the
    export refuses both.
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
    """One scale a row, so that its largest magnitude becomes 127."""
    values = np.empty(rows.shape, np.int8)
    scale = np.empty(len(rows), np.float32)
    for begin in range(0, len(rows), ROWS):
        part = slice(begin, begin + ROWS)
        scale[part] = np.abs(rows[part]).max(axis=1) / np.float32(LARGEST)
        divisor = np.where(scale[part] == 0, np.float32(1), scale[part])
        with np.errstate(invalid="ignore"):
            whole = np.rint(rows[part] / divisor[:, None])  # half to even
            # A scale that is subnormal has few bits: the quotient may then pass 127.
            values[part] = whole.clip(-LARGEST, LARGEST)
    return Table(values, scale)


def rounded_model(
    model: RecGrela, table: Table, matrices: MatrixType, items: np.ndarray | slice = slice(None)
) -> RecGrela:
    """A float32 copy of the model with the values of its file.

    It knows all items, or those whose indices (from 0) are in `items`, in that order.
    """
    rows = torch.from_numpy(table.rows(items))
    padded = nn.functional.pad(rows, (0, 0, 1, 0))
    embedding = nn.Embedding.from_pretrained(padded, padding_idx=0)
    # The memo spares a copy of the old table, which can be most of the model.
    rounded = copy.deepcopy(model, {id(model.embedding): embedding})
    rounded.num_items = len(rows)
    if matrices == MatrixType.F16:
        for layer in rounded.modules():
            if isinstance(layer, nn.Linear):
                layer.weight.data = layer.weight.data.half().float()
    return rounded.eval()
