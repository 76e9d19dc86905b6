"""The report opens in a browser, offline: every chart can be seen, every number is that of metrics.json."""

import io
import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sagemaker_gluoncv_container.training.report import RunRecord, write

HOSTILE = "</title><script>document.title='taken'</script>"


def draw(index: int) -> bytes:
    """Return a picture of a disc, for picture 5 something else."""
    if index == 5:
        return b"no picture"
    image = Image.new("RGB", (120, 90), (40, 90 + index, 160))
    ImageDraw.Draw(image).ellipse([30, 15, 90, 75], (240, 200, index))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    return buffer.getvalue()


def run_of(classes: int, multi_label: bool = False, pictures: int = 120) -> RunRecord:
    """Return a run of six epochs, a third of whose answers are wrong; the names are a stranger's."""
    random = np.random.default_rng(0)
    true = np.arange(pictures) % classes
    logits = random.normal(0, 1.5, (pictures, classes))
    logits[np.arange(pictures), true] += 3
    probabilities = 1 / (1 + np.exp(-logits)) if multi_label else np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return RunRecord(
        settings={"num_layers": 18, "learning_rate": 0.01},
        classes=[HOSTILE, *(f"class {number}" for number in range(1, classes))],
        multi_label=multi_label,
        history=[
            {
                "epoch": epoch,
                "train:loss": 2 / (epoch + 1),
                "train:accuracy": 1 - 0.5 / (epoch + 1),
                "validation:accuracy": 0.9 - 0.5 / (epoch + 1),
                "learning_rate": 0.01 * 0.1 ** (epoch // 4),
            }
            for epoch in range(6)
        ],
        kept_epoch=4,
        probabilities=probabilities.astype(np.float32),
        labels=np.eye(classes, dtype=np.float32)[true] if multi_label else true.astype(np.float32),
        names=[f"{HOSTILE} {number}" for number in range(pictures)],
        picture=draw,
        counts={"train": [30] * classes, "validation": np.bincount(true).tolist()},
        skipped=[(HOSTILE, HOSTILE)],
        duplicates=[(HOSTILE, HOSTILE)],
    )


def shown_in(dom: str) -> dict[str, tuple[Any, str]]:
    """Return each figure of the document by its name: as a program reads it and as people do."""
    found = re.findall(r'<data data-metric="([^"]*)" value="([^"]*)">([^<]*)</data>', dom)
    return {unescape(name): (json.loads(unescape(value)), text) for name, value, text in found}


def at(figures: Any, path: str) -> Any:
    """Return the figure at a dotted path."""
    for key in path.split("."):
        figures = figures[int(key) if isinstance(figures, list) else key]
    return figures


@pytest.mark.parametrize(
    ("run", "some"),
    [
        (
            run_of(4),
            ["accuracy", "calibration.temperature", "classes.3.f1", "averages.macro.f1", "history.5.train:loss"],
        ),
        (run_of(40), ["accuracy", "top_confusions.0.count", "classes.39.recall", "most_wrong.0.true_probability"]),
        (run_of(4, True), ["mean_average_precision", "classes.0.threshold", "exact_match", "counts.train.0"]),
    ],
    ids=["grid", "list", "multi-label"],
)
def test_numbers_equal_metrics_json(browser: Any, tmp_path: Path, run: RunRecord, some: list[str]) -> None:
    """What the browser shows is what metrics.json says: the value exactly, the text to its last digit."""
    write(tmp_path, run)
    figures = json.loads((tmp_path / "metrics.json").read_text())
    dom = browser.dom(tmp_path / "report.html")
    shown = shown_in(dom)
    assert set(some) <= set(shown)
    assert {name: value for name, (value, _) in shown.items()} == {name: at(figures, name) for name in shown}
    for name, (value, text) in shown.items():
        if isinstance(value, float):
            assert float(text) == pytest.approx(value, abs=0.0005), name
    assert "<title>Training report</title>" in dom
    assert "<script" not in dom


@pytest.mark.parametrize("scheme", [(), ("--force-dark-mode",)], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1200, 600])
def test_charts_can_be_seen(browser: Any, tmp_path: Path, width: int, scheme: tuple[str, ...]) -> None:
    """In a window of either width and either colour scheme, each chart and thumbnail is within the page, and drawn."""
    write(tmp_path, run_of(4))
    page = tmp_path / "report.html"
    measured = browser.measure(page, width)
    assert measured["size"][0] == width
    names = [each["name"] for each in measured["rectangles"]]
    charts = ["loss", "accuracy", "learning rate", "Confusion matrix", "Reliability diagram"]
    assert [name for name in names if name in charts] == charts
    assert names[-1].startswith(HOSTILE)
    with Image.open(browser.screenshot(page, width, measured["size"][1], *scheme)) as screenshot:
        pixels = np.asarray(screenshot.convert("RGB")).astype(int)
    assert pixels.shape[:2] == (measured["size"][1], width)
    paper = pixels[0, 0]
    assert (paper.max() < 60) == bool(scheme)
    for each in measured["rectangles"]:
        left, top, right, bottom = (round(edge) for edge in each["box"])
        assert 0 <= left < right <= width, each
        assert each["loaded"], each
        region = pixels[top:bottom, left:right]
        assert region.shape[0] > 80, each
        assert region.shape[1] > 80, each
        # Lines and labels cover at least one pixel in a hundred, in several shades.
        drawn = np.abs(region - paper).max(2) > 30
        assert drawn.mean() > 0.01, each
        assert len(np.unique(region[drawn], axis=0)) > 4, each


def test_curves_have_their_colours(browser: Any, tmp_path: Path) -> None:
    """The style sheet reaches the charts: curves of validation are blue, those of training grey."""
    write(tmp_path, run_of(4))
    page = tmp_path / "report.html"
    measured = browser.measure(page, 1200)
    boxes = {each["name"]: [round(edge) for edge in each["box"]] for each in measured["rectangles"]}
    with Image.open(browser.screenshot(page, 1200, measured["size"][1])) as screenshot:
        pixels = np.asarray(screenshot.convert("RGB")).astype(int)

    def has(name: str, colour: tuple[int, int, int], least: int) -> bool:
        left, top, right, bottom = boxes[name]
        near = np.abs(pixels[top:bottom, left:right] - colour).max(2) < 12
        return int(near.sum()) >= least

    blue, grey = (0x2F, 0x6F, 0xB5), (0x8A, 0x94, 0xA0)
    assert has("accuracy", blue, 200)
    assert has("accuracy", grey, 200)
    assert has("loss", grey, 200)
    assert not has("loss", blue, 1)
    assert has("Reliability diagram", blue, 2000)


def test_it_prints(browser: Any, tmp_path: Path) -> None:
    """Printed, it is a PDF of a few pages."""
    write(tmp_path, run_of(4))
    pdf = browser.printed(tmp_path / "report.html").read_bytes()
    pages = len(re.findall(rb"/Type\s*/Page\b", pdf))
    assert 2 <= pages <= 8
