"""The plot of a study: a metric of each variant with its interval; a line marks the first's."""

import io
from typing import Any

from matplotlib.figure import Figure

OURS, OTHERS, LINE = "#c2410c", "#1d4ed8", "#737373"
WIDTH, HEIGHT_OF_ROW = 7.5, 0.42  # inches


def draw(rows: list[dict[str, Any]], readout: str, metric: str, title: str) -> bytes:
    """The rows of `study.run_study` as PNG, the first on top."""
    figure = Figure(figsize=(WIDTH, 1.4 + HEIGHT_OF_ROW * len(rows)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(rows):
        value = row["test"][readout][metric]
        low, high = row["intervals"]["test"][readout][metric]
        colour = OTHERS if place else OURS
        axes.errorbar(
            value, place, xerr=[[value - low], [high - value]], fmt="o", color=colour, capsize=3
        )
        axes.annotate(
            f"{value:.4f}", (value, place), (0, 6), textcoords="offset points", color=colour,
            ha="center", fontsize=8,
        )  # fmt: skip
    axes.axvline(rows[0]["test"][readout][metric], color=LINE, linestyle=":", linewidth=1)
    axes.set_yticks(range(len(rows)), [row["name"] for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.7)
    axes.set_xlabel(f"test {metric.upper()}, {readout}, with 95% interval over users")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="x", color="#e5e5e5", linewidth=0.8)
    axes.set_axisbelow(True)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=120, metadata={"Software": None})
    return content.getvalue()
