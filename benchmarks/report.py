"""Results of a run: tables on the screen, and a file with results, machine and versions."""

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path

from recgrela_train.files import write_atomically
from rich import box
from rich.console import Console
from rich.table import Table

from .models import CONFIG, NUM_ITEMS, SEED
from .timing import Timing

PACKAGES = ("recgrela", "onnxruntime", "onnx", "torch", "numpy", "usearch")


@dataclass(frozen=True)
class Result:
    """One row of a table."""

    name: str  # in the file
    label: str  # on the screen
    timing: Timing
    roofline: str | None = None  # name of the plain read of the bytes touched


@dataclass(frozen=True)
class Part:
    """Contenders that were interleaved."""

    title: str
    results: list[Result]
    against: str | None = None  # name of the result that the others are compared with
    facts: dict = field(default_factory=dict)


def print_part(part: Part) -> None:
    """Print a part as a table."""
    medians = _medians(part)
    table = Table(title=f"{part.title}: microseconds", box=box.SIMPLE)
    columns = ["median", "p10", "p90"]
    roofed = any(result.roofline for result in part.results)
    columns += ["roofline", "times it"] * roofed
    columns += ["ratio"] * (part.against is not None)
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for result in part.results:
        timing = result.timing
        numbers: list[float | None] = [timing.median, timing.p10, timing.p90]
        if roofed:
            roofline = medians[result.roofline] if result.roofline else None
            numbers += [roofline, roofline and timing.median / roofline]
        if part.against:
            numbers.append(timing.median / medians[part.against])
        table.add_row(result.label, *map(_cell, numbers))
    Console().print(table)


def write(path: Path, parts: list[Part], rounds: int) -> None:
    """Write all results to a JSON file."""
    report = {
        "results": [_entry(result, part) for part in parts for result in part.results],
        "model": {
            **{key: getattr(CONFIG, key) for key in ("hidden_size", "num_heads", "num_layers")},
            "num_items": NUM_ITEMS,
            "seed": SEED,
        },
        "timing": {"rounds": rounds},
        "engine": {key: value for part in parts for key, value in part.facts.items()},
        "machine": machine(),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in PACKAGES},
        },
    }
    write_atomically(path, (json.dumps(report, indent=2) + "\n").encode())


def machine() -> dict:
    """The machine, and how busy it is."""
    return {
        "processor": _processor(),
        "architecture": platform.machine(),
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load_average": os.getloadavg() if hasattr(os, "getloadavg") else None,
    }


def _entry(result: Result, part: Part) -> dict:
    entry = {"name": result.name}
    entry |= {f"{key}_us": value for key, value in asdict(result.timing).items()}
    if result.roofline:
        entry["roofline_us"] = _medians(part)[result.roofline]
    return entry


def _medians(part: Part) -> dict[str, float]:
    return {result.name: result.timing.median for result in part.results}


def _cell(number: float | None) -> str:
    if number is None:
        return ""
    digits = 0 if number >= 1000 else 1 if number >= 10 else 2
    return f"{number:,.{digits}f}"


def _processor() -> str:
    """The processor's name, which Linux has only in /proc/cpuinfo."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    return platform.processor()
