"""Times an event from Rust and from Python, and the engine as another crate builds it.

    python -m benchmarks.dependent

The engine is built twice: with this workspace's release profile, and with cargo's defaults, which
a crate that depends on it has: no link-time optimisation across crates, sixteen code-generation
units, no inlining threshold of ours. The builds and the Python package take turns on the same model
files, and the medians of all turns are printed. The roofline of `top_k` is one plain read of the
item table.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

from .event import K
from .models import NUM_ITEMS, BenchmarkError, make_model, make_scorer, model_file, tensor_bytes
from .plain_read import PlainRead
from .timing import time_in_turn

ROOT = Path(__file__).parents[1]
EXAMPLE = "event_time"
FORMS = {
    "int8": ("int8", "int8", 0, False),
    "int8, 4 kinds": ("int8", "int8", 4, False),
    "int8, 4 kinds, times": ("int8", "int8", 4, True),
    "f16, int8 table": ("int8", "f16", 0, False),
    "f32": ("f32", "f32", 0, False),
}
"""The types of table and matrices, the number of kinds of events, and whether they have times."""
GAP = 3600  # seconds between events
READS = 100  # per call
TURNS = 7
DEFAULTS = {
    "RUSTFLAGS": " ",  # replaces those of .cargo/config.toml
    "CARGO_PROFILE_RELEASE_LTO": "false",
    "CARGO_PROFILE_RELEASE_CODEGEN_UNITS": "16",
}


class Form:
    """A model file, as a contender in Python whose event is one call."""

    def __init__(self, folder: Path, table: str, matrices: str, num_kinds: int, gaps: bool):
        folder = folder / f"{num_kinds}-{gaps}"
        folder.mkdir(exist_ok=True)
        model = make_model(num_kinds=num_kinds, gaps=gaps)
        self._scorer = make_scorer(model, folder, table, matrices)
        self._kind = next(iter(self._scorer.kinds), None)
        self._time = 0 if gaps else None
        self.path = model_file(folder, NUM_ITEMS, table, matrices)
        self._read = PlainRead(
            tensor_bytes(self.path, "catalog.table") + tensor_bytes(self.path, "catalog.scale")
        )

    def append_and_top_k(self, item: int) -> list:
        """Append an item index; return the indices of the top 10 unseen items."""
        if self._time is not None:
            self._time += GAP
        return self._scorer.step(item, K, kind=self._kind, time=self._time).ids

    def reset(self) -> None:
        """Reset to the empty history."""
        self._scorer.reset()

    def times(self) -> dict[str, float]:
        """Microseconds of an event from Python, and of a plain read of the table."""
        step = time_in_turn({"step": self}, NUM_ITEMS, rounds=50)["step"].median
        start = time.perf_counter()
        self._read.each(range(READS))
        return {"Python step": step, "table read": (time.perf_counter() - start) / READS * 1e6}


def main() -> int:
    """Build, time and print; return the exit status."""
    try:
        builds = {
            "workspace profile": build(ROOT / "target", {}),
            "cargo's defaults": build(ROOT / "target" / "dependent", DEFAULTS),
        }
        with tempfile.TemporaryDirectory() as folder:
            table = measure(builds, Path(folder))
    except (BenchmarkError, OSError, subprocess.CalledProcessError) as error:
        print(f"dependent: error: {error}", file=sys.stderr)
        return 1
    Console().print(table)
    return 0


def build(target: Path, changes: dict[str, str]) -> Path:
    """Build the example into `target` with changes to the environment; return its path."""
    command = ["cargo", "build", "--quiet", "--release", "-p", "recgrela", "--example", EXAMPLE]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)} | changes
    subprocess.run(command, check=True, cwd=ROOT, env=environment)
    return target / "release" / "examples" / EXAMPLE


def measure(builds: dict[str, Path], folder: Path) -> Table:
    """Time all builds and the Python package on a model of each form."""
    forms = {name: Form(folder, *types) for name, types in FORMS.items()}
    found = {(form, build): [] for form in forms for build in (*builds, "Python")}
    for _ in track(range(TURNS), "timing", transient=True):
        for name, form in forms.items():
            for build, example in builds.items():
                done = subprocess.run([example, form.path], check=True, capture_output=True)
                found[name, build].append(json.loads(done.stdout))
            found[name, "Python"].append(form.times())

    columns = ["append", "top_k", "step", "table read", "Python step"]
    table = Table(title=f"one event, {NUM_ITEMS:,} items, k = {K}: microseconds, one thread")
    for column in ("weights", "build", *columns):
        table.add_column(column, justify="right" if column in columns else "left")
    for (form, build), runs in found.items():
        medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
        cells = (f"{medians[column]:.2f}" if column in medians else "" for column in columns)
        table.add_row(form, build, *cells)
    return table


if __name__ == "__main__":
    sys.exit(main())
