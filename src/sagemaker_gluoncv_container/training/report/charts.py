"""Charts as inline SVG: no library, no script. Their colours are classes of the page's style sheet."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

# Of a curve: None where the figure is not a number.
Points = Sequence[tuple[float, float | None]]

_WIDTH, _HEIGHT = 360, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 10, 10, 26
_CELLS = 600
_LONGEST_LABEL = 18
# Where a cell is so dark that its number has to be light.
_DARK = 0.5


def _svg(width: float, height: float, title: str, parts: Sequence[Markup]) -> Markup:
    head = Markup('<svg width="{0:.0f}" height="{1:.0f}" viewBox="0 0 {0:.0f} {1:.0f}" role="img"><title>{2}</title>')
    return head.format(width, height, title) + Markup("").join(parts) + Markup("</svg>")


def _text(x: float, y: float, text: object, kind: str) -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}">{}</text>').format(x, y, kind, text)


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    template = Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>')
    return template.format(x1, y1, x2, y2, kind)


def _rectangle(x: float, y: float, width: float, height: float, kind: str, tip: str = "", opacity: float = 1) -> Markup:
    template = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" class="{}" fill-opacity="{:.2f}">')
    title = Markup("<title>{}</title>").format(tip) if tip else Markup("")
    return template.format(x, y, width, height, kind, opacity) + title + Markup("</rect>")


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers that enclose low to high, `most` + 2 of them at the most, a step of 1, 2 or 5 apart."""
    if high <= low:
        room = abs(low) / 10 or 0.5
        low, high = low - room, high + room
    least = (high - low) / most
    power = 10.0 ** math.floor(math.log10(least))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, last + 1)]


def curves(title: str, series: Mapping[str, Points], marked: float | None = None) -> Markup:
    """Return a chart of curves over epochs; `series` are points by the names `train` and `validation`, or another.

    `marked` is the epoch whose model was kept.
    """
    drawn = {name: [(x, y) for x, y in points if y is not None] for name, points in series.items()}
    values = [y for points in drawn.values() for _, y in points]
    epochs = [x for points in series.values() for x, _ in points]
    if not values:
        return Markup("")
    levels = ticks(min(values), max(values))
    first, last = min(epochs), max(epochs)

    def across(epoch: float) -> float:
        share = (epoch - first) / (last - first) if last > first else 0.5
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - levels[0]) / (levels[-1] - levels[0]) * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for level in levels:
        parts.append(_line(_LEFT, down(level), _WIDTH - _RIGHT, down(level), "grid"))
        parts.append(_text(_LEFT - 6, down(level) + 4, f"{level:.4g}", "end"))
    for epoch in ticks(first, last):
        if epoch == int(epoch) and first <= epoch <= last:
            parts.append(_text(across(epoch), _HEIGHT - 8, int(epoch), "middle"))
    if marked is not None and first <= marked <= last:
        parts.append(_line(across(marked), _TOP, across(marked), _HEIGHT - _BOTTOM, "marked"))
    for name, points in drawn.items():
        kind = name if name in ("train", "validation") else "other"
        path = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in points)
        parts.append(Markup('<polyline points="{}" class="curve {}"/>').format(path, kind))
        dot = Markup(
            '<circle cx="{:.1f}" cy="{:.1f}" r="2.5" class="dot {}"><title>{}, epoch {:g}: {:.6g}</title></circle>'
        )
        parts.extend(dot.format(across(x), down(y), kind, name, x, y) for x, y in points)
    return _svg(_WIDTH, _HEIGHT, title, parts)


def _shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_LABEL else name[: _LONGEST_LABEL - 1] + "…"


def confusion_matrix(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """Return the matrix as a grid: true classes are rows, answers columns; a cell is shaded by its share of the row."""
    size = max(24.0, min(64.0, _CELLS / len(names)))
    labels = 7 * max(len(_shortened(name)) for name in names) + 12
    # Names across the top lean by 45 degrees.
    left, top = labels + 18, labels * 0.72 + 24
    end = len(names) * size
    parts = [_text(left + end / 2, 12, "answered", "axis middle")]
    parts.append(
        Markup('<text transform="translate(12 {:.1f}) rotate(-90)" class="axis middle">true</text>').format(
            top + end / 2
        )
    )
    leaning = Markup('<text transform="translate({:.1f} {:.1f}) rotate(-45)">{}<title>{}</title></text>')
    for row, name in enumerate(names):
        middle = (row + 0.5) * size
        parts.append(_text(left - 8, top + middle + 4, _shortened(name), "end"))
        parts.append(leaning.format(left + middle + 3, top - 8, _shortened(name), name))
        whole = max(1, sum(matrix[row]))
        for column, count in enumerate(matrix[row]):
            x, y, share = left + column * size, top + row * size, count / whole
            tip = f"{name} answered as {names[column]}: {count} ({share:.1%})"
            parts.append(_rectangle(x, y, size - 2, size - 2, "empty", tip))
            if count:
                kind = "right" if row == column else "wrong"
                parts.append(_rectangle(x, y, size - 2, size - 2, kind, tip, 0.12 + 0.88 * share))
                parts.append(_text(x + size / 2 - 1, y + size / 2 + 3, count, f"count{' light' * (share > _DARK)}"))
    # The last leaning name reaches out to the right.
    return _svg(left + end + labels * 0.72, top + end, "Confusion matrix", parts)


def reliability(title: str, bins: Sequence[Mapping[str, Any]]) -> Markup:
    """Return a reliability diagram: the share of right answers by their probability, and below how many there are.

    `bins` are those of `calibration.reliability`. A calibrated net's bars end at the diagonal; the gap is pale.
    """
    side, strip, width = _WIDTH - _LEFT - _RIGHT, 44, (_WIDTH - _LEFT - _RIGHT) / len(bins)
    floor, height = _TOP + side, _TOP + side + strip + 38
    parts = []
    for level in (0, 0.2, 0.4, 0.6, 0.8, 1.0):
        parts.append(_line(_LEFT, floor - level * side, _LEFT + side, floor - level * side, "grid"))
        parts.append(_text(_LEFT - 6, floor - level * side + 4, f"{level:g}", "end"))
        parts.append(_text(_LEFT + level * side, height - 20, f"{level:g}", "middle"))
    most = max(1, *(each["count"] for each in bins))
    for number, each in enumerate(bins):
        if not each["count"]:
            continue
        x, right, sure = _LEFT + number * width, each["accuracy"], each["confidence"]
        tip = f"{each['count']} answers, probability {sure:.3f}, right {right:.3f}"
        solid, end = min(right, sure) * side, max(right, sure) * side
        parts.append(_rectangle(x + 1, floor - solid, width - 2, solid, "right", tip))
        gap = "over" if sure > right else "under"
        parts.append(_rectangle(x + 1, floor - end, width - 2, end - solid, gap, tip, 0.2))
        tall = each["count"] / most * (strip - 8)
        parts.append(_rectangle(x + 1, floor + strip - tall, width - 2, tall, "amount", tip))
    parts.append(_line(_LEFT, floor, _LEFT + side, _TOP, "diagonal"))
    parts.append(_text(_LEFT + side / 2, height - 4, "probability of the answer", "axis middle"))
    return _svg(_WIDTH, height, title, parts)
