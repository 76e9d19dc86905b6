"""report.charts: what is drawn where."""

from xml.etree import ElementTree

import pytest

from sagemaker_gluoncv_container.training.report import charts

HOSTILE = '<script>alert("1")</script>&'


def parsed(chart: str) -> ElementTree.Element:
    """Return the chart, which must be well-formed, as a tree."""
    return ElementTree.fromstring(chart)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (0.31, 0.98, [0.2, 0.4, 0.6, 0.8, 1.0]),
        (0, 11, [0, 5, 10, 15]),
        (-3, 4, [-4, -2, 0, 2, 4]),
        (0, 1e-6, [0, 2e-7, 4e-7, 6e-7, 8e-7, 1e-6]),
    ],
)
def test_ticks(low: float, high: float, expected: list[float]) -> None:
    """Ticks are round, evenly spaced and enclose the values."""
    assert charts.ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-9, 1e30])
def test_ticks_of_one_value(value: float) -> None:
    """A single value lies within its ticks."""
    marks = charts.ticks(value, value)
    assert marks[0] < value < marks[-1]


def test_curves() -> None:
    """Epochs go from the left edge to the right, larger values are higher up, and the kept epoch is marked."""
    series = {"train": [(0, 0.0), (1, 0.5), (2, 1.0)], "validation": [(0, 0.25), (1, None), (2, 0.5)]}
    tree = parsed(charts.curves("accuracy", series, 1))
    lines = {line.attrib["class"]: line.attrib["points"].split() for line in tree.iter("polyline")}
    assert lines["curve train"] == ["46.0,194.0", "198.0,102.0", "350.0,10.0"]
    # Where a figure is no number, nothing is drawn.
    assert lines["curve validation"] == ["46.0,148.0", "350.0,102.0"]
    assert [line.attrib["x1"] for line in tree.iter("line") if line.attrib["class"] == "marked"] == ["198.0"]
    assert [title.text for title in tree.iter("title")][0] == "accuracy"


def test_curves_of_one_epoch() -> None:
    """One epoch is a dot in the middle."""
    assert [dot.attrib["cx"] for dot in parsed(charts.curves("loss", {"train": [(4, 2.0)]})).iter("circle")] == [
        "198.0"
    ]


def test_curves_of_nothing() -> None:
    """Without a number there is no chart."""
    assert charts.curves("loss", {"train": [(0, None)]}) == ""


@pytest.mark.parametrize("classes", [1, 2, 30])
def test_confusion_matrix(classes: int) -> None:
    """Every cell is within the picture; counts are written where there are any, zeros are not."""
    matrix = [[10 * (row == column) for column in range(classes)] for row in range(classes)]
    tree = parsed(charts.confusion_matrix(matrix, [f"class {number}" for number in range(classes)]))
    width, height = float(tree.attrib["width"]), float(tree.attrib["height"])
    cells = [each for each in tree.iter("rect") if each.attrib["class"] == "empty"]
    assert len(cells) == classes**2
    assert all(float(cell.attrib["x"]) + float(cell.attrib["width"]) < width for cell in cells)
    assert all(float(cell.attrib["y"]) + float(cell.attrib["height"]) < height for cell in cells)
    counts = [text.text for text in tree.iter("text") if text.get("class", "").startswith("count")]
    assert counts == ["10"] * classes


def test_confusion_matrix_shades() -> None:
    """Right answers and errors differ in colour, and shares of a row in strength."""
    tree = parsed(charts.confusion_matrix([[3, 1], [0, 0]], ["a", "b"]))
    drawn = {each.attrib["class"]: each for each in tree.iter("rect") if each.attrib["class"] != "empty"}
    assert {kind: float(each.attrib["fill-opacity"]) for kind, each in drawn.items()} == {"right": 0.78, "wrong": 0.34}
    assert drawn["wrong"][0].text == "a answered as b: 1 (25.0%)"


def test_reliability() -> None:
    """A bar is solid up to the smaller of share and probability; the gap says which of them is the larger."""
    empty = {"lower": 0, "upper": 0, "count": 0, "confidence": None, "accuracy": None}
    bins = [empty, {"count": 10, "confidence": 0.6, "accuracy": 0.5}, {"count": 5, "confidence": 0.8, "accuracy": 1.0}]
    bars = [
        (bar.attrib["class"], float(bar.attrib["height"])) for bar in parsed(charts.reliability("x", bins)).iter("rect")
    ]
    assert bars == [
        ("right", 152.0),
        ("over", pytest.approx(30.4)),
        ("amount", 36.0),
        ("right", pytest.approx(243.2)),
        ("under", pytest.approx(60.8)),
        ("amount", 18.0),
    ]


def test_names_are_escaped() -> None:
    """A name from a stranger is text, whatever it holds; a long one is shortened and told in full by a tip."""
    chart = charts.confusion_matrix([[1, 1], [0, 1]], [HOSTILE, "b" * 40])
    assert "<script" not in chart
    assert "b" * 17 + "…" in chart
    titles = [title.text for title in parsed(chart).iter("title")]
    assert HOSTILE in titles
    assert "b" * 40 in titles
    assert "<script" not in charts.curves(HOSTILE, {HOSTILE: [(0, 1.0)]})
