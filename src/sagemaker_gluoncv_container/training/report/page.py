"""The page: the figures as one HTML file that opens offline, without a script.

Names of classes and files come from strangers. jinja2 escapes what goes into the page, markupsafe what goes into a
chart, and the page's Content-Security-Policy forbids scripts and the network.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ... import pages
from ...errors import ContainerError
from . import charts
from .evaluation import Figures

# A larger grid is unreadable. The list of the most frequent confusions takes its place.
LARGEST_GRID = 30
MOST_WRONG = 24
# Pixels of the longer side.
_THUMBNAIL = 160


def render(figures: Figures, picture: Callable[[int], bytes] | None) -> str:
    """Return the page. `picture(i)` gives the encoded bytes of validation picture i.

    A picture that cannot be read is left out, and the next one is shown in its place.
    """
    names = [each["name"] for each in figures["classes"]]
    return pages.render(
        Path(__file__).with_name("page.html"),
        run=figures,
        calibration=figures.get("calibration"),
        show=lambda *path: _shown(figures, path),
        names=names,
        rows=_rows(figures),
        largest_count=max((count for counts in figures["counts"].values() for count in counts), default=1) or 1,
        curves=_curves(figures),
        history_keys=list(dict.fromkeys(key for epoch in figures["history"] for key in epoch)),
        matrix=_matrix(figures),
        reliability=charts.reliability,
        most_wrong=_with_thumbnails(figures.get("most_wrong", []), picture),
    )


def _shown(figures: Figures, path: tuple[str | int, ...]) -> Markup:
    """Return the figure at a path as people read it and, in an attribute, exactly as programs need it."""
    value: Any = figures
    for key in path:
        value = value[key]
    text = (
        _rounded(value) if isinstance(value, float) and path[0] != "settings" else "–" if value is None else str(value)
    )
    name = ".".join(map(str, path))
    return Markup('<data data-metric="{}" value="{}">{}</data>').format(name, json.dumps(value), text)


def _rounded(value: float) -> str:
    """Return three decimals, or three digits if the number is small."""
    return f"{value:.3f}" if value == 0 or abs(value) >= 0.01 else f"{value:.3g}"


def _rows(figures: Figures) -> list[int]:
    """Return the classes' numbers in the order of the page's list. If there are many, the weakest come first."""
    numbers = range(len(figures["classes"]))
    if len(numbers) <= LARGEST_GRID or not figures["pictures"]:
        return list(numbers)
    return sorted(numbers, key=lambda number: float(figures["classes"][number]["f1"]))


def _curves(figures: Figures) -> list[tuple[str, Markup]]:
    """Return (title, chart) for each kind of figure in the history. `train:x` and `validation:x` share a chart."""
    kinds: dict[str, dict[str, list[tuple[float, float | None]]]] = {}
    for number, epoch in enumerate(figures["history"]):
        for key, value in epoch.items():
            channel, _, kind = key.rpartition(":")
            if key != "epoch":
                kinds.setdefault(kind, {}).setdefault(channel, []).append((epoch.get("epoch", number), value))
    titles = {kind: kind.replace("_", " ") for kind in kinds}
    return [
        (titles[kind], charts.curves(titles[kind], series, figures["kept_epoch"])) for kind, series in kinds.items()
    ]


def _matrix(figures: Figures) -> Markup | None:
    names = [each["name"] for each in figures["classes"]]
    matrix = figures.get("confusion_matrix")
    return charts.confusion_matrix(matrix, names) if matrix and len(names) <= LARGEST_GRID else None


def _with_thumbnails(
    wrong: list[dict[str, Any]], picture: Callable[[int], bytes] | None
) -> list[tuple[int, dict[str, Any], str]]:
    """Return (place in the list, answer, thumbnail as a data URI) of the first answers whose pictures can be read."""
    shown: list[tuple[int, dict[str, Any], str]] = []
    for place, answer in enumerate(wrong if picture else []):
        if len(shown) == MOST_WRONG:
            break
        assert picture is not None
        try:
            shown.append((place, answer, pages.thumbnail(picture(answer["index"]), _THUMBNAIL)))
        except (ContainerError, OSError):
            # It was readable when the net saw it. A temporary storage fault must not cost the report.
            continue
    return shown
