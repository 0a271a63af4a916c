"""Small charts as inline SVG. The page sets their colours, for light and dark mode.

Series differ in colour, and also in dashes or in the shape of their marks. Hovering over a mark
shows its values, which the page also lists in a table.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

WIDTH, HEIGHT = 460, 270
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 44
DENSE = 6  # more labels than these have a smaller font
LOOKS = 6  # colours of the page; further series reuse them
Format = Callable[[float], str]
Values = Sequence[float] | np.ndarray


@dataclass(frozen=True)
class Chart:
    """A picture, its legend and its values as a table."""

    title: str
    svg: str
    legend: list[tuple[int, str]]  # look, label
    header: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Axis:
    """The vertical axis from `low` to `high`, which are both ticks."""

    low: float
    high: float
    step: float
    format: Format

    @classmethod
    def around(cls, values: Sequence[float], format: Format, *, from_zero: bool) -> "Axis":
        """The axis with round ticks that spans all values."""
        low, high = (0.0 if from_zero else min(values)), max(values)
        span = (high - low) or abs(high) or 1.0
        power = 10 ** math.floor(math.log10(span / 4))
        step = next(power * m for m in (1, 2, 2.5, 5, 10) if span / (power * m) <= 5)
        # 1e-9 keeps rounding errors from adding a step where a value is on a tick.
        low, high = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(low, max(high, low + step), step, format)

    def y(self, value: float) -> float:
        """The y coordinate of a value, from the top of the picture."""
        share = (value - self.low) / (self.high - self.low)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def draw(self) -> list[str]:
        """Grid lines with their labels."""
        parts = []
        for n in range(round((self.high - self.low) / self.step) + 1):
            value = self.low + n * self.step
            y = self.y(value)
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
                f'<text class="end" x="{LEFT - 6}" y="{y + 4:.1f}">'
                f"{escape(self.format(value))}</text>"
            )
        return parts


def line_chart(title: str, x_label: str, series: Mapping[str, Values], format: Format) -> Chart:
    """One line per series, over x = 1, 2, 3 and so on."""
    longest = max(len(values) for values in series.values())
    axis = Axis.around([v for values in series.values() for v in values], format, from_zero=False)

    def x(n: int) -> float:
        return LEFT + 8 + (WIDTH - LEFT - RIGHT - 16) * (n / max(1, longest - 1))

    parts = axis.draw()
    every = max(1, math.ceil(longest / 8))
    parts += [_under(x(n), str(n + 1)) for n in range(0, longest, every)]
    for number, (label, values) in enumerate(series.items()):
        points = " ".join(f"{x(n):.1f},{axis.y(v):.1f}" for n, v in enumerate(values))
        parts.append(f'<polyline class="line {_look(number)}" points="{points}"/>')
        for n, value in enumerate(values):
            hover = f"{label}, {x_label} {n + 1}: {format(value)}"
            parts.append(_dot(x(n), axis.y(value), number, hover, small=True))
    rows = [
        [str(n + 1), *(format(v[n]) if n < len(v) else "" for v in series.values())]
        for n in range(longest)
    ]
    return _chart(title, parts, x_label, list(enumerate(series)), [x_label, *series], rows)


def interval_chart(
    title: str,
    x_label: str,
    groups: list[str],
    series: dict[str, list[tuple[float, float, float]]],
    format: Format,
) -> Chart:
    """A dot and its interval, (value, low, high), for each series in each group."""
    bounds = [bound for points in series.values() for point in points for bound in point]
    axis = Axis.around(bounds, format, from_zero=True)
    parts = axis.draw()
    for index, group in enumerate(groups):
        parts.append(_under(_centre(index, len(groups)), group, dense=len(groups) > DENSE))
        for number, (label, points) in enumerate(series.items()):
            value, low, high = points[index]
            x = _centre(index, len(groups)) + 14 * (number - (len(series) - 1) / 2)
            parts.append(
                f'<line class="line {_look(number)}" x1="{x:.1f}" x2="{x:.1f}" '
                f'y1="{axis.y(low):.1f}" y2="{axis.y(high):.1f}"/>'
            )
            hover = f"{label}, {group}: {format(value)} ({format(low)} to {format(high)})"
            parts.append(_dot(x, axis.y(value), number, hover))
    rows = [
        [group, *(f"{format(p[index][0])} ({format(p[index][1])} to {format(p[index][2])})"
                  for p in series.values())]
        for index, group in enumerate(groups)
    ]  # fmt: skip
    return _chart(title, parts, x_label, list(enumerate(series)), [x_label, *series], rows)


def bar_chart(
    title: str,
    x_label: str,
    groups: list[str],
    series: Mapping[str, Values],
    format: Format,
    looks: Sequence[int],
) -> Chart:
    """A bar from 0 for each series in each group; `looks` are the series' colours."""
    axis = Axis.around([v for values in series.values() for v in values], format, from_zero=True)
    width = (WIDTH - LEFT - RIGHT) / len(groups) * 0.8 / len(series)
    parts = axis.draw()
    for index, group in enumerate(groups):
        parts.append(_under(_centre(index, len(groups)), group))
        for number, (label, values) in enumerate(series.items()):
            x = _centre(index, len(groups)) + width * (number - len(series) / 2)
            y = axis.y(values[index])
            parts.append(
                f'<rect class="bar {_look(looks[number])}" x="{x:.1f}" y="{y:.1f}" '
                f'width="{width:.1f}" height="{axis.y(0) - y:.1f}">'
                f"<title>{escape(f'{label}, {group}: {format(values[index])}')}</title></rect>"
            )
    rows = [
        [group, *(format(values[index]) for values in series.values())]
        for index, group in enumerate(groups)
    ]
    legend = list(zip(looks, series, strict=True))
    return _chart(title, parts, x_label, legend, [x_label, *series], rows)


def mark(look: int) -> str:
    """The mark of a series on its own, for a legend."""
    return f'<svg class="key" viewBox="0 0 14 14" aria-hidden="true">{_shape(7, 7, look, 5)}</svg>'


def _chart(
    title: str,
    parts: list[str],
    x_label: str,
    legend: list[tuple[int, str]],
    header: list[str],
    rows: list[list[str]],
) -> Chart:
    middle = LEFT + (WIDTH - LEFT - RIGHT) / 2
    parts.append(f'<text class="middle" x="{middle}" y="{HEIGHT - 6}">{escape(x_label)}</text>')
    svg = (
        f'<svg class="chart" role="img" aria-label="{escape(title)}: the table below lists its '
        f'values" viewBox="0 0 {WIDTH} {HEIGHT}">{"".join(parts)}</svg>'
    )
    return Chart(title, svg, legend, header, rows)


def _centre(index: int, groups: int) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / groups


def _under(x: float, text: str, *, dense: bool = False) -> str:
    look = "middle dense" if dense else "middle"
    return f'<text class="{look}" x="{x:.1f}" y="{HEIGHT - BOTTOM + 18}">{escape(text)}</text>'


def _dot(x: float, y: float, number: int, hover: str, *, small: bool = False) -> str:
    shape = _shape(x, y, number, 3 if small else 5)
    return f"<g>{shape}<title>{escape(hover)}</title></g>"


def _shape(x: float, y: float, number: int, r: float) -> str:
    look = f'class="dot {_look(number)}"'
    if number % 3 == 1:
        return f'<rect {look} x="{x - r:.1f}" y="{y - r:.1f}" width="{2 * r}" height="{2 * r}"/>'
    if number % 3 == 2:
        points = (
            f"{x:.1f},{y - r * 1.2:.1f} {x - r * 1.1:.1f},{y + r:.1f} {x + r * 1.1:.1f},{y + r:.1f}"
        )
        return f'<polygon {look} points="{points}"/>'
    return f'<circle {look} cx="{x:.1f}" cy="{y:.1f}" r="{r}"/>'


def _look(number: int) -> str:
    return f"s{number % LOOKS}"
