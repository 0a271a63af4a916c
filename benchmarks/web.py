"""Times the engine in WebAssembly against native code and onnxruntime-web, in one run.

Timed are `append` and `topK(10)` as a user of each language calls them. All contenders run one
model with float32 weights on one thread. Those in Node are timed there. Before timing, the package
must give exactly the scores of the native engine, and onnxruntime-web the same top 10.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx

from .event import Engine, check_agreement
from .models import NUM_ITEMS, SEED, BenchmarkError, make_model, make_scorer, model_file
from .onnx_recurrent import build_step
from .report import Part, Result, print_part
from .timing import HISTORY_EVENTS, time_in_turn

CONTENDERS = Path(__file__).parent.parent / "rust/wasm/benches/contenders.mjs"
K = 10
LABELS = {
    "native": "recgrela, native",
    "simd128": "recgrela, wasm with simd128",
    "plain": "recgrela, wasm without simd128",
    "onnxruntime": "onnxruntime-web, same step",
}


class InNode:
    """A contender in the Node process."""

    def __init__(self, process: subprocess.Popen, name: str):
        self._process = process
        self._name = name

    def append_and_top_k(self, item: int) -> list[int]:
        """Append an item index; return the indices of the top 10."""
        return self._ask("append", item)

    def time_block(self, items: list[int]) -> list[int]:
        """Nanoseconds per event, by Node's clock."""
        return self._ask("time", items)

    def scores(self) -> np.ndarray:
        """Scores of all items after the last event, [N]."""
        return np.array(self._ask("scores"), dtype=np.float32)

    def reset(self) -> None:
        """Reset to the empty history."""
        self._ask("reset")

    def _ask(self, call: str, argument=None):
        request = {"name": self._name, "call": call, "argument": argument}
        try:
            print(json.dumps(request), file=self._process.stdin, flush=True)
            return json.loads(self._process.stdout.readline())
        except (BrokenPipeError, json.JSONDecodeError):
            raise BenchmarkError(
                "Node exited. Run 'make wasm' and 'npm --prefix rust/wasm ci' first"
            ) from None


def run(folder: Path, rounds: int) -> Part:
    """Make the contenders, check that they agree, and time them; files go to `folder`."""
    model = make_model()
    native = Engine(make_scorer(model, folder))
    step = folder / "step.onnx"
    onnx.save(build_step(model, HISTORY_EVENTS, K), step)
    command = ["node", CONTENDERS, model_file(folder, NUM_ITEMS, "f32", "f32"), step]
    with subprocess.Popen(
        command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        rivals = {name: InNode(process, name) for name in LABELS if name != "native"}
        for name in ("simd128", "plain"):
            check_same_bits(native, rivals[name], name)
        check_agreement(native, rivals["onnxruntime"], "onnxruntime")
        timings = time_in_turn({"native": native, **rivals}, NUM_ITEMS, rounds)
        process.stdin.close()
    results = [Result(name, LABELS[name], timing) for name, timing in timings.items()]
    return Part(f"append + topK({K}), {NUM_ITEMS:,} items", results, against="native")


def check_same_bits(native: Engine, rival: InNode, name: str) -> None:
    """Replay one history on both; raise BenchmarkError unless all scores are bit-identical."""
    native.reset()
    rival.reset()
    for event, item in enumerate(np.random.default_rng(SEED).integers(NUM_ITEMS, size=20)):
        same = native.append_and_top_k(int(item)) == rival.append_and_top_k(int(item))
        if not same or not np.array_equal(native.scores(), rival.scores()):
            raise BenchmarkError(
                f"scores of {name} differ from native ones after event {event + 1}"
            )


def main() -> int:
    """Run the benchmark and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.web", description=__doc__)
    parser.add_argument(
        "--rounds", type=int, default=100, metavar="N", help="blocks of 20 events (%(default)s)"
    )
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as folder:
            part = run(Path(folder), options.rounds)
    except (BenchmarkError, OSError) as error:
        print(f"web: error: {error}", file=sys.stderr)
        return 1
    print_part(part)
    medians = {result.name: result.timing.median for result in part.results}
    ours = medians["simd128"]
    print(f"with simd128 / native: {ours / medians['native']:.2f} (target: at most 4)")
    print(
        f"onnxruntime-web / with simd128: {medians['onnxruntime'] / ours:.2f} (target: at least 5)"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
