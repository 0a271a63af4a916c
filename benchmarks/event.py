"""Times one event, `append` and `top_k(10)`, against other runtimes.

Times are those of a Python user and include the cost of the calls. The other runtimes are
handwritten in their fastest known form and checked to return the same top 10 before timing. They
have less work, because they do not exclude seen items. The last line is the roofline for float32
weights: reading them once.
"""

from pathlib import Path

import numpy as np
from recgrela_train.networks.grela import RecGrela

from .models import (
    NUM_ITEMS,
    SEED,
    BenchmarkError,
    make_model,
    make_scorer,
    make_softmax_model,
)
from .onnx_recurrent import OnnxRecurrent
from .onnx_softmax import OnnxSoftmaxWindow
from .plain_read import PlainRead
from .report import Part, Result
from .timing import HISTORY_EVENTS, Contender, Tick, time_in_turn
from .torch_recurrent import TorchRecurrent

K = 10
WINDOW = 200
CHECKED_EVENTS = 50
TOLERANCE = 1e-4  # of the largest score
LABELS = {
    "engine": "recgrela, f32",
    "engine_f16_int8": "recgrela, f16 matrices and int8 table",
    "engine_int8": "recgrela, int8 matrices and table",
    "onnxruntime_recurrent": "ONNX Runtime, same step",
    "onnxruntime_window200_softmax": f"ONNX Runtime, window {WINDOW}",
    "torch_recurrent": "PyTorch, same step",
    "read_once": "reading the f32 weights",
}


class Engine:
    """The engine as a contender; item ids are the indices."""

    def __init__(self, scorer):
        self.scorer = scorer

    def append_and_top_k(self, item: int) -> list:
        """Append an item index; return the indices of the top 10 unseen items."""
        return self.scorer.step(item, K).ids

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""
        return self.scorer.score(range(self.scorer.num_items))

    def reset(self) -> None:
        """Reset to the empty history."""
        self.scorer.reset()


def run(folder: Path, rounds: int, tick: Tick = iter) -> list[Part]:
    """Make the contenders, check that they agree, and time them; files go to `folder`."""
    model = make_model()
    engine = Engine(make_scorer(model, folder))
    contenders = {
        "engine": engine,
        "engine_f16_int8": Engine(make_scorer(model, folder, "int8", "f16")),
        "engine_int8": Engine(make_scorer(model, folder, "int8", "int8")),
        **make_rivals(model),
        "read_once": PlainRead(4 * sum(parameter.numel() for parameter in model.parameters())),
    }
    for name in ("onnxruntime_recurrent", "torch_recurrent"):
        check_agreement(engine, contenders[name], name)
    timings = time_in_turn(contenders, NUM_ITEMS, rounds, tick)
    title = f"append + top_k({K}), {NUM_ITEMS:,} items"
    rooflines = {"engine": "read_once"}
    results = [Result(name, LABELS[name], t, rooflines.get(name)) for name, t in timings.items()]
    facts = {"isa": engine.scorer.isa, "state_bytes": engine.scorer.new_session().state_bytes}
    return [Part(title, results, against="engine", facts=facts)]


def make_rivals(model: RecGrela) -> dict[str, Contender]:
    """The other runtimes: the same model, and a softmax model of the same size."""
    return {
        "onnxruntime_recurrent": OnnxRecurrent(model, HISTORY_EVENTS, K),
        "onnxruntime_window200_softmax": OnnxSoftmaxWindow(make_softmax_model(WINDOW), K),
        "torch_recurrent": TorchRecurrent(model, HISTORY_EVENTS, K),
    }


def check_agreement(engine: Engine, rival: Contender, name: str) -> None:
    """Replay one history on both; raise BenchmarkError unless they return the same top 10.

    Two items may be swapped only if the engine's own scores of them are equal within the
    tolerance.
    """
    engine.reset()
    rival.reset()
    for event, item in enumerate(
        np.random.default_rng(SEED).integers(NUM_ITEMS, size=CHECKED_EVENTS)
    ):
        engine.scorer.append(int(item))
        found = [int(i) for i in rival.append_and_top_k(int(item))]
        best = engine.scorer.top_k(K, exclude_seen=False)
        scores = engine.scores()
        allowed = TOLERANCE * np.abs(scores).max()
        ranks = np.abs(scores[found] - best.scores).max()
        if (
            len(set(found)) != K
            or ranks > allowed
            or np.abs(rival.scores() - scores).max() > allowed
        ):
            raise BenchmarkError(
                f"{name} and the engine disagree after event {event + 1}: "
                f"top {K} {found} and {list(best.ids)}; nothing was timed"
            )
