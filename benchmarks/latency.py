"""How long one event takes: the engine beside ONNX Runtime and PyTorch, in one run.

Timed is `append` and `top_k(10)` as a Python user calls them, the cost of the calls included,
on one thread. The contenders take turns, 20 events each, so that a busy machine slows all of
them; the medians are compared. The rivals are hand-written in their fastest known form, checked
to give the same top 10 before the clock starts, and have easier work: the engine leaves out the
items that the user has seen, they do not. The last line is the floor for float32 weights: reading
them once.
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from recgrela_train.config import ModelConfig
from recgrela_train.export import export_model
from recgrela_train.files import write_atomically
from recgrela_train.model import RecGrela
from rich.console import Console
from rich.progress import track
from rich.table import Table

from .onnx_recurrent import OnnxRecurrent
from .onnx_softmax import OnnxSoftmaxWindow
from .plain_read import PlainRead
from .softmax_model import make_softmax_model
from .timing import HISTORY_EVENTS, ROUND_EVENTS, Contender, Timing, time_in_turn
from .torch_recurrent import TorchRecurrent

K = 10
SEED = 0
NUM_ITEMS = 3416  # as MovieLens-1M
WINDOW = 200
CONFIG = ModelConfig(hidden_size=64, num_heads=4, num_layers=4)
CHECKED_EVENTS = 50
TOLERANCE = 1e-4  # of the largest score
PACKAGES = ("recgrela", "onnxruntime", "onnx", "torch", "numpy")
LABELS = {
    "engine": "recgrela engine",
    "onnxruntime_recurrent": "ONNX Runtime, same step",
    "onnxruntime_window200_softmax": f"ONNX Runtime, window {WINDOW}",
    "torch_recurrent": "PyTorch eager, same step",
    "read_once": "reading the weights",
}


class BenchmarkError(RuntimeError):
    """Why there is nothing to time; the message says what to do."""


class Engine:
    """The engine as a contender; item ids are the indices."""

    def __init__(self, path: Path):
        try:
            from recgrela import EdgeScorer
        except ImportError as error:
            raise BenchmarkError(
                f"the engine cannot be imported, run 'make setup': {error}"
            ) from None
        self.scorer = EdgeScorer.load(path)

    def append_and_top_k(self, item: int) -> list:
        """Append an item index; the indices of the best ten, those seen left out."""
        self.scorer.append(item)
        return self.scorer.top_k(K).ids

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""
        return self.scorer.score(range(NUM_ITEMS))

    def reset(self) -> None:
        """Back to the empty history."""
        self.scorer.reset()


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; returns the exit status."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(1)
    try:
        timings, facts = run(options.rounds)
        _print(timings)
        _write(options.output, timings, facts)
    except (BenchmarkError, OSError) as error:
        print(f"latency: error: {error}", file=sys.stderr)
        return 1
    return 0


def run(rounds: int) -> tuple[dict[str, Timing], dict]:
    """Make the contenders, check that they agree, and time them; with facts for the report."""
    model = make_model()
    softmax = make_softmax_model(
        CONFIG.hidden_size, CONFIG.num_heads, CONFIG.num_layers, NUM_ITEMS, WINDOW
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        export_model(model, np.arange(NUM_ITEMS), path)
        engine = Engine(path)
        contenders: dict[str, Contender] = {
            "engine": engine,
            "onnxruntime_recurrent": OnnxRecurrent(model, HISTORY_EVENTS, K),
            "onnxruntime_window200_softmax": OnnxSoftmaxWindow(softmax, K),
            "torch_recurrent": TorchRecurrent(model, HISTORY_EVENTS, K),
            "read_once": PlainRead(model),
        }
        for name in ("onnxruntime_recurrent", "torch_recurrent"):
            check_agreement(engine, contenders[name], name)
        timings = time_in_turn(contenders, NUM_ITEMS, rounds, _progress)
        return timings, {
            "timing": {"rounds": rounds, "events_a_round": ROUND_EVENTS, "threads": 1},
            "engine": {"isa": engine.scorer.isa, "state_bytes": engine.scorer.state_bytes},
        }


@torch.no_grad()
def make_model() -> RecGrela:
    """The benchmark's model, with random weights as large as trained ones.

    As a training starts they are so small that a rival without rotation would hardly differ, and
    the check would miss it.
    """
    torch.manual_seed(SEED)
    model = RecGrela(CONFIG, NUM_ITEMS).eval()
    for parameter in model.parameters():
        parameter.add_(torch.randn_like(parameter) * 0.1)
    model.embedding.weight[0] = 0  # padding
    return model


def check_agreement(engine: Engine, rival: Contender, name: str) -> None:
    """Play one history to both; raise BenchmarkError unless they rank the same ten first.

    Two items may change places only if the engine's own scores of them are equal within the
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


def _progress(rounds: range) -> Iterable[int]:
    return track(rounds, "Timing", console=Console(stderr=True), transient=True)


def _print(timings: dict[str, Timing]) -> None:
    table = Table(title=f"append + top_k({K}), one thread, {NUM_ITEMS:,} items")
    table.add_column("")
    for column in ("median us", "p10", "p90", "times the engine"):
        table.add_column(column, justify="right")
    for name, timing in timings.items():
        ratio = timing.median / timings["engine"].median
        numbers = (timing.median, timing.p10, timing.p90, ratio)
        table.add_row(LABELS[name], *(f"{number:,.1f}" for number in numbers))
    Console().print(table)


def _write(path: Path, timings: dict[str, Timing], facts: dict) -> None:
    results = [
        {"name": name, "median_us": t.median, "p10_us": t.p10, "p90_us": t.p90}
        for name, t in timings.items()
    ]
    model = {key: getattr(CONFIG, key) for key in ("hidden_size", "num_heads", "num_layers")}
    report = {
        "results": results,
        "model": {**model, "num_items": NUM_ITEMS, "seed": SEED},
        **facts,
        "machine": {
            "processor": _processor(),
            "architecture": platform.machine(),
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
        },
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }
    write_atomically(path, (json.dumps(report, indent=2) + "\n").encode())


def _processor() -> str:
    """The processor's name; Linux has it in /proc/cpuinfo only."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.latency",
        description=__doc__,
        epilog="example: python -m benchmarks.latency --output runs/bench.json --rounds 200",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--output", type=Path, default=Path("runs/bench.json"), metavar="JSON",
        help="where the numbers go, with the machine and all versions (%(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=_positive, default=100, metavar="N",
        help=f"blocks of {ROUND_EVENTS} events that each contender is timed on (%(default)s); "
        "more give steadier medians on a busy machine",
    )  # fmt: skip
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, found {text}")
    return value


if __name__ == "__main__":
    sys.exit(main())
