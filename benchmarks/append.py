"""Times `append` alone against one plain read of the weights and state that it touches.

An event's time is that of `extend` with 100 events, divided by 100. A Python user appends many
events this way, and the cost of the call itself, half a microsecond, does not count as engine time.
The reads are repeated 100 times too.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .models import NUM_ITEMS, SEED, make_model, make_scorer, model_file, tensor_bytes
from .plain_read import PlainRead
from .report import Part, Result
from .timing import Tick, take_turns

EVENTS = 100  # per call
CALLS = 5  # per block
WARM_UP = 4  # blocks


def run(folder: Path, rounds: int, tick: Tick = iter) -> list[Part]:
    """Time `append` with matrices of each type; files go to `folder`."""
    model = make_model()
    steps, rows = {}, []
    for matrices in ("f32", "f16", "int8"):
        scorer = make_scorer(model, folder, "f32", matrices)
        path = model_file(folder, NUM_ITEMS, "f32", matrices)
        read = PlainRead(touched_bytes(path) + scorer.state_bytes)
        steps[f"append_{matrices}"] = scorer.extend
        steps[f"roofline_append_{matrices}"] = read.each
        rows += [
            (f"append_{matrices}", f"append, {matrices} matrices", f"roofline_append_{matrices}"),
            (f"roofline_append_{matrices}", f"reading {read.num_bytes:,} bytes", None),
        ]
    timings = take_turns(steps, draw_blocks(rounds, tick), WARM_UP, parts=EVENTS)
    results = [Result(name, label, timings[name], roofline) for name, label, roofline in rows]
    return [Part(f"append, one of {EVENTS} per call", results)]


def touched_bytes(path: Path) -> int:
    """Bytes of weights that one event reads: all except the catalogue and the self-test."""
    return tensor_bytes(path) - tensor_bytes(path, "catalog.") - tensor_bytes(path, "selftest.")


def draw_blocks(rounds: int, tick: Tick) -> Iterator[list[list[int]]]:
    """Yield blocks of calls with random events."""
    random = np.random.default_rng(SEED)
    for _ in tick(range(WARM_UP + rounds)):
        yield random.integers(NUM_ITEMS, size=(CALLS, EVENTS)).tolist()
