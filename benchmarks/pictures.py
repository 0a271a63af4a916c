"""Plots a benchmark run: latency by history length and by catalogue size."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

OURS, FLOOR = "#c2410c", "#737373"
RIVALS = ("#1d4ed8", "#0f766e", "#7e22ce", "#57534e")
SIZE = (8, 4.5)  # inches
UNITS = {"": 1, "k": 1000, "m": 1_000_000}
CATALOGUE = (  # pattern of result names, label, colour, style
    (r"usearch_exact_(\w+)", "usearch exact, f32", RIVALS[3], "-"),
    (r"numpy_(\w+)", "NumPy, f32", RIVALS[0], "-"),
    (r"torch_(\w+)", "PyTorch, f32", RIVALS[1], "-"),
    (r"onnxruntime_(\w+)", "ONNX Runtime, f32", RIVALS[2], "-"),
    (r"scan_(\w+)_f32", "recgrela, f32", OURS, "--"),
    (r"scan_(\w+)_int8", "recgrela, int8", OURS, "-"),
    (r"read_(\w+)_int8", "reading the int8 table once", FLOOR, ":"),
)
Points = dict[int, float]  # microseconds by count


def main(arguments: list[str] | None = None) -> int:
    """Plot a run and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pictures", description=__doc__)
    parser.add_argument("report", type=Path, help="JSON file of python -m benchmarks.latency")
    parser.add_argument("folder", type=Path, help="output folder for the PNG files")
    options = parser.parse_args(arguments)
    try:
        results = json.loads(options.report.read_bytes())["results"]
        medians = {result["name"]: result["median_us"] for result in results}
        options.folder.mkdir(parents=True, exist_ok=True)
        for name, drawing in (("history", draw_history), ("catalogue", draw_catalogue)):
            _save(options.folder / f"latency-{name}.png", drawing, medians)
    except (OSError, ValueError) as error:
        print(f"pictures: error: {error}", file=sys.stderr)
        return 1
    return 0


def draw_history(axes: Axes, medians: dict[str, float]) -> None:
    """Latency of an event by history length."""
    ours = points(medians, r"engine_after_(\d+[km]?)")
    window = points(medians, r"window_(\d+)_softmax")
    _plot(axes, window, RIVALS[0], "-")
    _plot(axes, ours, OURS, "-")
    _scales(axes, ours | window, [10**power for power in range(1, 7)])
    axes.set_title("One event: append and top 10", loc="left")
    axes.set_xlabel("events in the history")
    label = "ONNX Runtime recomputing all events,\na softmax model of the same size"
    _label_ends(axes, [(window, label, RIVALS[0])])
    axes.annotate(
        "recgrela, f16 matrices and int8 table", (max(ours), ours[max(ours)]), (0, 8),
        textcoords="offset points", color=OURS, ha="right",
    )  # fmt: skip


def draw_catalogue(axes: Axes, medians: dict[str, float]) -> None:
    """Latency of the top 10 by catalogue size."""
    lines = [(points(medians, pattern), *look) for pattern, *look in CATALOGUE]
    for line, _, colour, style in lines:
        _plot(axes, line, colour, style)
    sizes = lines[0][0]
    _scales(axes, sizes, list(sizes))
    axes.set_title("Top 10 of a catalogue", loc="left")
    axes.set_xlabel("items, 64 numbers each")
    _label_ends(axes, [(line, label, colour) for line, label, colour, _ in lines])


def points(medians: dict[str, float], pattern: str) -> Points:
    """The results whose full name matches, in ascending order of the count in the name.

    Raises ValueError if there are none.
    """
    found = {}
    for name, median in medians.items():
        match = re.fullmatch(pattern, name)
        count = match and re.fullmatch(r"(\d+)([km]?)", match[1])
        if count:
            found[int(count[1]) * UNITS[count[2]]] = median
    if not found:
        raise ValueError(f"the report has no result named {pattern}; run all parts of make bench")
    return dict(sorted(found.items()))


def _plot(axes: Axes, line: Points, colour: str, style: str) -> None:
    axes.plot(line.keys(), line.values(), style, color=colour, marker="o", markersize=4)


def _label_ends(axes: Axes, lines: Sequence[tuple[Points, str, str]]) -> None:
    """Write each line's label beside its end, moved up if labels would overlap."""
    low, high = axes.get_ylim()
    apart = (high / low) ** 0.05  # height of a label on the logarithmic axis
    height = 0.0
    for line, label, colour in sorted(lines, key=lambda entry: entry[0][max(entry[0])]):
        height = max(line[max(line)], height * apart)
        axes.annotate(
            label, (max(line), height), (8, 0), textcoords="offset points", color=colour,
            va="center", annotation_clip=False,
        )  # fmt: skip


def _scales(axes: Axes, xs: Points, ticks: list[int]) -> None:
    """Logarithmic axes with plain numbers; times in microseconds or more."""
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_locator(FixedLocator(ticks))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(_time))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_xlim(min(xs) * 0.8, max(xs) * 1.25)
    axes.set_ylabel("median time, one thread")


def _time(microseconds: float, _: int) -> str:
    for unit, size in (("s", 1e6), ("ms", 1e3)):
        if microseconds >= size:
            return f"{microseconds / size:g} {unit}"
    return f"{microseconds:g} µs"


def _save(path: Path, draw: Callable[[Axes, Points], None], medians: dict[str, float]) -> None:
    figure, axes = plt.subplots(figsize=SIZE, layout="constrained")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e5e5", linewidth=0.8)
    draw(axes, medians)
    figure.savefig(path, dpi=120, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    sys.exit(main())
