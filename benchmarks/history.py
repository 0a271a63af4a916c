"""Times an event by history length: the engine against a recomputed window.

The engine, with f16 matrices and an int8 table, plays each length once and is reset to it before
each block. The window is a softmax model on ONNX Runtime that recomputes all events of the history,
the cost of an exact answer for a transformer without a cache. `append` alone is also timed after
the shortest and the longest history.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .append import EVENTS
from .event import Engine
from .models import SEED, make_model, make_scorer, make_softmax_model
from .onnx_softmax import OnnxSoftmaxWindow
from .report import Part, Result
from .timing import Tick, take_turns

K = 10
LENGTHS = (10, 100, 1000, 10_000, 100_000, 1_000_000)
WINDOWS = (10, 50, 100, 200, 500, 1000, 2000)
HISTORY_ITEMS = 1000  # distinct, so that unseen items remain after any length
CALLS = 5  # per block
WARM_UP = 2  # blocks


class Returning(Engine):
    """A session that can return to its starting point."""

    def __init__(self, scorer):
        super().__init__(scorer)
        self._point = scorer.snapshot()

    def reset(self) -> None:
        """Return to the state at construction."""
        self.scorer.restore(self._point)


def run(
    folder: Path,
    rounds: int,
    tick: Tick = iter,
    lengths: tuple[int, ...] = LENGTHS,
    windows: tuple[int, ...] = WINDOWS,
) -> list[Part]:
    """Time the engine after each length and the window of each size; files go to `folder`."""
    engines = after(make_scorer(make_model(), folder, "int8", "f16"), lengths)
    return [
        _run_events(engines, windows, max(1, rounds // 5), tick),
        _run_append(
            {length: engines[length] for length in (lengths[0], lengths[-1])}, rounds, tick
        ),
    ]


def after(scorer, lengths: tuple[int, ...]) -> dict[int, Returning]:
    """Sessions after histories of these ascending lengths."""
    random = np.random.default_rng(SEED)
    sessions = {}
    for length in lengths:
        more = random.integers(HISTORY_ITEMS, size=length - scorer.events)
        scorer.extend(more.tolist())
        sessions[length] = Returning(scorer.clone())
    return sessions


def _run_events(
    engines: dict[int, Returning], windows: tuple[int, ...], rounds: int, tick: Tick
) -> Part:
    ours = {f"engine_after_{short(length)}": engine for length, engine in engines.items()}
    softmax = {
        f"window_{window}_softmax": OnnxSoftmaxWindow(make_softmax_model(window), K)
        for window in windows
    }
    labels = {f"engine_after_{short(length)}": f"recgrela, after {length:,}" for length in engines}
    labels |= {f"window_{window}_softmax": f"recomputing {window:,}" for window in windows}
    steps = {name: c.append_and_top_k for name, c in (ours | softmax).items()}
    timings = take_turns(steps, _blocks(list(ours.values()), (CALLS,), rounds, tick), WARM_UP)
    results = [Result(name, labels[name], timing) for name, timing in timings.items()]
    return Part(f"append + top_k({K}), by history length", results, against=next(iter(ours)))


def _run_append(engines: dict[int, Returning], rounds: int, tick: Tick) -> Part:
    steps = {f"append_after_{short(length)}": e.scorer.extend for length, e in engines.items()}
    blocks = _blocks(list(engines.values()), (CALLS, EVENTS), rounds, tick)
    timings = take_turns(steps, blocks, WARM_UP, parts=EVENTS)
    results = [
        Result(name, f"recgrela, after {length:,}", timings[name])
        for name, length in zip(steps, engines, strict=True)
    ]
    return Part("append, by history length", results, against=next(iter(steps)))


def short(count: int) -> str:
    """Format a count for names: 10, 10k or 1m."""
    for unit, name in ((1_000_000, "m"), (1000, "k")):
        if count >= unit and count % unit == 0:
            return f"{count // unit}{name}"
    return str(count)


def _blocks(
    returning: list[Returning], shape: tuple[int, ...], rounds: int, tick: Tick
) -> Iterator[list]:
    """Yield blocks of random events of this shape, resetting all sessions before each."""
    random = np.random.default_rng(SEED)
    for _ in tick(range(WARM_UP + rounds)):
        for session in returning:
            session.reset()
        yield random.integers(HISTORY_ITEMS, size=shape).tolist()
