"""Checks installed size, and memory and load time of a large model, against budgets.

The exit status is 1 if a budget is exceeded. Builds the wheel, the libraries for C, Kotlin and
Swift, and the npm package, each stripped as shipped. Builds without a compiler on this machine are
named and skipped. For memory and load time it writes a model of 1,000,000 items with an int8 table,
which fresh processes of the Rust example `footprint` map. Reported are the resident memory after
scanning the whole table and the median load time.
"""

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from .models import BenchmarkError, make_model, make_scorer, model_file, tensor_bytes

ROOT = Path(__file__).parents[1]
LIBRARIES = {"C": "librecgrela.so", "Kotlin": "librecgrela_uniffi.so"}
NUM_ITEMS = 1_000_000
LOADS = 5
MB = 1e6
MIB = 2**20


@dataclass(frozen=True)
class Measurement:
    """A measurement and its budget."""

    what: str
    value: float
    budget: float
    unit: str

    @property
    def passes(self) -> bool:
        """Whether it is within its budget."""
        return self.value <= self.budget


def main() -> int:
    """Measure everything and return the exit status."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            measurements = measure(Path(folder))
    except (BenchmarkError, OSError, subprocess.CalledProcessError) as error:
        print(f"size: error: {error}", file=sys.stderr)
        return 1
    table = Table()
    for column in ("", "measured", "budget", ""):
        table.add_column(column, justify="right" if column else "left", no_wrap=True)
    for measurement in measurements:
        numbers = (
            f"{number:,.2f} {measurement.unit}"
            for number in (measurement.value, measurement.budget)
        )
        table.add_row(measurement.what, *numbers, "" if measurement.passes else "over")
    Console().print(table)
    return 0 if all(measurement.passes for measurement in measurements) else 1


def measure(folder: Path) -> list[Measurement]:
    """All measurements."""
    return [
        *measure_wheel(folder),
        *measure_libraries(folder),
        *measure_arm(),
        *measure_npm(),
        *measure_model(folder),
    ]


def measure_wheel(folder: Path) -> list[Measurement]:
    """Build the wheel; measure it and its stripped library."""
    command = [sys.executable, "-m", "maturin", "build", "--release", "--quiet", "--out", folder]
    subprocess.run(command, cwd=ROOT, check=True)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        library = next(
            entry for entry in archive.infolist() if Path(entry.filename).name.startswith("_core.")
            and not entry.filename.endswith(".pyi")
        )  # fmt: skip
    return [
        Measurement("wheel", wheel.stat().st_size / MB, 2.0, "MB"),
        Measurement("library in the wheel, stripped", library.file_size / MB, 1.5, "MB"),
    ]


def measure_libraries(folder: Path) -> list[Measurement]:
    """Build and measure the stripped libraries for this machine, Kotlin's as for Android."""
    measurements = []
    for name, crate, *features in (("C", "ffi"), ("Kotlin", "uniffi", "--no-default-features")):
        target = ["--target-dir", ROOT / "target"]
        command = ["cargo", "build", "--release", "--quiet", "-p", f"recgrela-{crate}", *target]
        subprocess.run([*command, *features], cwd=ROOT, check=True)
        stripped = folder / LIBRARIES[name]
        subprocess.run(
            ["strip", "-o", stripped, ROOT / "target/release" / LIBRARIES[name]], check=True
        )
        measurements.append(library(name, "x86-64", stripped, 1.0))
    return measurements


def measure_arm() -> list[Measurement]:
    """Build and measure the stripped libraries for 64-bit Arm, if there is a compiler."""
    if not build(".ci/build-arm"):
        return []
    folder = ROOT / "target/arm/stripped"
    return [library(name, "arm64", folder / file, 0.82) for name, file in LIBRARIES.items()]


def library(name: str, target: str, file: Path, budget: float) -> Measurement:
    """Size of a language's library."""
    return Measurement(f"{name} library, {target}", file.stat().st_size / MB, budget, "MB")


def measure_npm() -> list[Measurement]:
    """Build the npm package and measure its gzipped modules, if there is a compiler."""
    if not build(".ci/build-wasm"):
        return []
    return [
        Measurement(
            f"wasm, {name}, gzipped", len(gzip.compress(path.read_bytes(), 9)) / MB, 0.3, "MB"
        )
        for name in ("simd128", "plain")
        for path in [ROOT / f"target/npm/recgrela/recgrela-{name}.wasm"]
    ]


def build(script: str) -> bool:
    """Run a build for another target; return whether it succeeded."""
    built = subprocess.run([ROOT / script], stdout=subprocess.DEVNULL).returncode == 0
    if not built:
        print(f"size: skipped, because {script} failed", file=sys.stderr)
    return built


def measure_model(folder: Path) -> list[Measurement]:
    """Memory and time of mapping a large int8 model."""
    make_scorer(make_model(NUM_ITEMS), folder, "int8", "f16")
    path = model_file(folder, NUM_ITEMS, "int8", "f16")
    cargo = ["cargo", "run", "--quiet", "--release", "-p", "recgrela", "--example", "footprint"]
    runs = []
    for _ in range(LOADS):
        out = subprocess.run([*cargo, "--", path], cwd=ROOT, check=True, stdout=subprocess.PIPE)
        runs.append(json.loads(out.stdout))
    table = tensor_bytes(path, "catalog.table") + tensor_bytes(path, "catalog.scale")
    resident = max(run["resident_bytes"]["scanned"] for run in runs)
    load = statistics.median(run["load_ms"] for run in runs)
    return [
        Measurement(
            "resident memory beyond the table and its scales", (resident - table) / MIB, 16.0, "MiB"
        ),
        Measurement(f"load time of {NUM_ITEMS:,} items", load, 20.0, "ms"),
    ]


if __name__ == "__main__":
    sys.exit(main())
