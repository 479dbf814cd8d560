"""Figures as SVG text: no script, no file beside them; light and dark follow the reader's choice through CSS."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Axes", "Points", "bars", "coverage", "plot", "ticks"]

WIDTH, HEIGHT = 420.0, 210.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 10.0, 10.0, 36.0


@dataclass(frozen=True, slots=True)
class Axes:
    """Titles of the axes, and limits (None = from the data)."""

    x: str
    y: str
    x_limits: tuple[float, float] | None = None
    y_limits: tuple[float, float] | None = None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Points:
    """One set of points or one line.

    Parameters
    ----------
    x, y : sequence of float
        Places; not finite ones are passed over.
    style : str
        CSS class: ``used``, ``out``, ``line``, ``dash``.
    error : sequence of float
        Half heights of the bars; none if empty.
    names : sequence of str
        Shown while the pointer rests on a point.
    is_line : bool
        Join the points instead of drawing them.
    """

    x: Sequence[float]
    y: Sequence[float]
    style: str = "used"
    error: Sequence[float] = ()
    names: Sequence[str] = ()
    is_line: bool = False


def plot(axes: Axes, sets: Sequence[Points]) -> str:
    """Return a figure with points and lines.

    Parameters
    ----------
    axes : Axes
        Titles and limits.
    sets : sequence of Points
        Drawn in order.
    """
    xs = [x for one in sets for x, y in zip(one.x, one.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    ys = [y for one in sets for x, y in zip(one.x, one.y, strict=True) if math.isfinite(x) and math.isfinite(y)]
    if not xs:
        return '<p class="quiet">nothing to show yet</p>'
    x_limits = axes.x_limits or _padded(min(xs), max(xs))
    y_limits = axes.y_limits or _padded(min(ys), max(ys))
    parts = [_frame(axes, x_limits, y_limits)]
    for one in sets:
        placed = [
            (_to_x(x, x_limits), _to_y(y, y_limits), i)
            for i, (x, y) in enumerate(zip(one.x, one.y, strict=True))
            if math.isfinite(x) and math.isfinite(y)
        ]
        parts.append(_line(placed, one.style) if one.is_line else _dots(placed, one, y_limits))
    return _svg("".join(parts), axes.label)


def bars(axes: Axes, values: Sequence[float], edges: Sequence[float]) -> str:
    """Return a histogram.

    Parameters
    ----------
    axes : Axes
        Titles.
    values : sequence of float, length n
        Heights.
    edges : sequence of float, length n + 1
        Limits of the bins.
    """
    if not any(values):
        return '<p class="quiet">nothing to show yet</p>'
    x_limits, y_limits = (edges[0], edges[-1]), (0.0, 1.08 * max(values))
    parts = [_frame(axes, x_limits, y_limits)]
    for value, low, high in zip(values, edges, edges[1:], strict=False):
        x0, x1, y = _to_x(low, x_limits), _to_x(high, x_limits), _to_y(value, y_limits)
        height = _to_y(0.0, y_limits) - y
        parts.append(
            f'<rect class="bar" x="{x0:.1f}" y="{y:.1f}" width="{max(0.5, x1 - x0 - 1):.1f}" height="{height:.1f}"/>'
        )
    return _svg("".join(parts), axes.label)


def coverage(tilts_deg: Sequence[float], used: Sequence[bool], orders: Sequence[int]) -> str:
    """Return a fan with one spoke for each tilt; those left out are dotted, the shade tells the order."""
    centre, radius = 110.0, 92.0
    last = max([*orders, 1])
    spokes = []
    for tilt, is_used, order in zip(tilts_deg, used, orders, strict=True):
        angle = math.radians(tilt - 90)
        x, y = centre + radius * math.cos(angle), centre + radius * math.sin(angle)
        shade = 0.35 + 0.65 * (1 - order / last)
        style = "spoke" if is_used else "spoke out"
        spokes.append(
            f'<line class="{style}" x1="{centre:.1f}" y1="{centre:.1f}" x2="{x:.1f}" y2="{y:.1f}" opacity="{shade:.2f}">'
            f"<title>{tilt:+.1f}°, number {order + 1}{'' if is_used else ', left out'}</title></line>"
        )
    return (
        f'<svg viewBox="0 0 220 120" width="220" height="120" role="img" aria-label="coverage of {len(tilts_deg)} tilts">'
        f"{''.join(spokes)}</svg>"
    )


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Return round numbers between two limits.

    Examples
    --------
    >>> ticks(-62.0, 61.0)
    [-60.0, -40.0, -20.0, 0.0, 20.0, 40.0, 60.0]
    """
    rough = (high - low) / most
    if rough <= 0 or not math.isfinite(rough):
        return [low]
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1.0, 2.0, 5.0, 10.0) if power * factor >= 0.999 * rough)
    step = step if (high - low) / step >= 3 else step / 2
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 10) + 0.0 for i in range(first, math.floor(high / step + 1e-9) + 1)]


def _frame(axes: Axes, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> str:
    right, bottom = WIDTH - _RIGHT, HEIGHT - _BOTTOM
    parts = []
    for value in ticks(*x_limits):
        x = _to_x(value, x_limits)
        parts.append(f'<line class="grid" x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{bottom}"/>')
        parts.append(f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle">{_number(value)}</text>')
    for value in ticks(*y_limits, most=4):
        y = _to_y(value, y_limits)
        parts.append(f'<line class="grid" x1="{_LEFT}" y1="{y:.1f}" x2="{right}" y2="{y:.1f}"/>')
        parts.append(f'<text x="{_LEFT - 5}" y="{y + 3.5:.1f}" text-anchor="end">{_number(value)}</text>')
    middle = 0.5 * (_TOP + bottom)
    parts.append(
        f'<text class="title" x="{0.5 * (_LEFT + right):.1f}" y="{HEIGHT - 6}" text-anchor="middle">{escape(axes.x)}</text>'
    )
    parts.append(
        f'<text class="title" x="11" y="{middle:.1f}" text-anchor="middle" '
        f'transform="rotate(-90 11 {middle:.1f})">{escape(axes.y)}</text>'
    )
    return "".join(parts)


def _dots(placed: Sequence[tuple[float, float, int]], one: Points, y_limits: tuple[float, float]) -> str:
    parts = []
    per_unit = (HEIGHT - _TOP - _BOTTOM) / (y_limits[1] - y_limits[0])
    for x, y, i in placed:
        if i < len(one.error) and math.isfinite(one.error[i]):
            half = one.error[i] * per_unit
            low, high = min(y + half, HEIGHT - _BOTTOM), max(y - half, _TOP)
            parts.append(f'<line class="error {one.style}" x1="{x:.1f}" y1="{low:.1f}" x2="{x:.1f}" y2="{high:.1f}"/>')
        title = f"<title>{escape(one.names[i])}</title>" if i < len(one.names) else ""
        parts.append(f'<circle class="{one.style}" cx="{x:.1f}" cy="{y:.1f}" r="2.8">{title}</circle>')
    return "".join(parts)


def _line(placed: Sequence[tuple[float, float, int]], style: str) -> str:
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in placed)
    return f'<polyline class="{style}" points="{points}"/>'


def _svg(body: str, label: str) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH:.0f} {HEIGHT:.0f}" width="{WIDTH:.0f}" height="{HEIGHT:.0f}" role="img" '
        f'aria-label="{escape(label)}">{body}</svg>'
    )


def _to_x(value: float, limits: tuple[float, float]) -> float:
    return _LEFT + (value - limits[0]) / (limits[1] - limits[0]) * (WIDTH - _LEFT - _RIGHT)


def _to_y(value: float, limits: tuple[float, float]) -> float:
    inside = min(max(value, limits[0]), limits[1])
    return HEIGHT - _BOTTOM - (inside - limits[0]) / (limits[1] - limits[0]) * (HEIGHT - _TOP - _BOTTOM)


def _padded(low: float, high: float) -> tuple[float, float]:
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "−")
