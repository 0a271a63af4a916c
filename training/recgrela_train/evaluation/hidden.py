"""Hidden vectors before each target of an evaluation batch, by both read-outs."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..data import EvaluationBatch
from ..data.evaluation_batches import Inputs
from ..networks.network import Network

PIECE = 256  # positions of a long history in memory at once


@torch.inference_mode()
def hidden_before(
    model: Network, batch: EvaluationBatch, window: int | None = None, **options: Any
) -> Tensor:
    """Hidden vector before each target, [T, D], given the last `window` events or all.

    Before a first event it is the start vector. `options`, such as `form`, are passed to the model.
    """
    hidden = model.embedding.weight.new_empty(len(batch.stops), model.config.hidden_size)
    first = batch.stops == 0
    if first.any():
        assert model.start is not None
        hidden[torch.from_numpy(first)] = model.start
    if window is None:
        _stream(model, batch, hidden, options)
        return hidden
    # A causal model reads the first window of a history once, for all targets in it.
    early = ~first & (batch.stops <= window) & (not model.prefixes)
    if early.any():
        rows, place = np.unique(batch.rows[early], return_inverse=True)
        heads = batch.heads(rows, window)
        hidden[np.flatnonzero(early)] = _gathered(model, heads, place, batch.stops[early], options)
    late = np.flatnonzero(~early & ~first)
    for begin in range(0, len(late), len(batch.histories)):
        part = late[begin : begin + len(batch.histories)]
        windows = batch.take(part).windows(window)
        stops = np.minimum(batch.stops[part], window)
        hidden[part] = _gathered(model, windows, np.arange(len(part)), stops, options)
    return hidden


def _gathered(
    model: Network, inputs: Inputs, rows: np.ndarray, stops: np.ndarray, options: dict[str, Any]
) -> Tensor:
    """Hidden vectors [n, D] after the first `stops` [n] events of `rows` [n], from empty states."""
    inputs = inputs.to(model.embedding.weight.device)
    outputs, _ = model(inputs.items, None, kinds=inputs.kinds, gaps=inputs.gaps, **options)
    last: Tensor = outputs[torch.from_numpy(rows), torch.from_numpy(stops - 1)]
    return last.to(model.embedding.weight.dtype)


def _stream(
    model: Network, batch: EvaluationBatch, hidden: Tensor, options: dict[str, Any]
) -> None:
    """Fills `hidden` [T, D], passing whole histories through the state, piece by piece."""
    state = None
    row_before = 0
    for number, (row, piece) in enumerate(batch.chunks(PIECE)):
        if state is not None:  # histories that have ended are dropped
            state = state.map(lambda x, ended=row - row_before: x[ended:])
        inputs = piece.to(hidden.device)
        outputs, state = model(inputs.items, state, kinds=inputs.kinds, gaps=inputs.gaps, **options)
        row_before = row
        here = np.flatnonzero((batch.stops - 1) // PIECE == number)
        rows, places = (torch.from_numpy(x[here]) for x in (batch.rows - row, batch.stops - 1))
        hidden[here] = outputs[rows, places % PIECE].to(hidden.dtype)
