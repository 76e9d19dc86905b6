"""report.page: what is on the page, and what strangers cannot put there."""

import base64
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.report import RunRecord, evaluation, page, write

HOSTILE = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>{{ 7 * 7 }}"
# What file systems allow: no UTF-8, a line break, a bell.
ODD = "caf\udce9\n\x07.jpg"


def png(colour: str = "red", size: tuple[int, int] = (320, 200)) -> bytes:
    """Return an encoded picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def run_of(pictures: int, count: int = 3, **changes: Any) -> RunRecord:
    """Return a run in which every other answer is wrong."""
    labels = np.arange(pictures) % count
    probabilities = np.full((pictures, count), 0.2 / max(1, count - 1), np.float32)
    probabilities[np.arange(pictures), (labels + np.arange(pictures) % 2) % count] = 0.8
    run = RunRecord(
        settings={"learning_rate": 0.0001, "augmentation_type": None},
        classes=[f"class {number}" for number in range(count)],
        multi_label=False,
        history=[{"epoch": 0, "train:loss": 1.5}, {"epoch": 1, "train:loss": 0.5, "validation:accuracy": 0.5}],
        kept_epoch=1,
        probabilities=probabilities,
        labels=labels.astype(np.float32),
        names=[f"picture {number}.png" for number in range(pictures)],
        picture=lambda _: png(),
        counts={"train": [5] * count, "validation": [2] * count},
    )
    return replace(run, **changes)


def many_labels(run: RunRecord) -> RunRecord:
    """Return the run with labels as flags."""
    return replace(
        run, multi_label=True, labels=np.eye(run.probabilities.shape[1], dtype=np.float32)[run.labels.astype(int)]
    )


class Page(HTMLParser):
    """Collects tags, figures and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.figures: dict[str, tuple[Any, str]] = {}
        self.text = ""
        self._metric: tuple[str, str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, and which figure comes next."""
        self.tags.append((tag, dict(attrs)))
        if tag == "data":
            self._metric = str(dict(attrs)["data-metric"]), str(dict(attrs)["value"])

    def handle_data(self, data: str) -> None:
        """Note the text, and whether it is a figure's."""
        self.text += data
        if self._metric:
            name, value = self._metric
            self.figures[name] = json.loads(value), data
            self._metric = None

    def pictures(self) -> list[str]:
        """Return the sources of all pictures."""
        return [str(attributes["src"]) for tag, attributes in self.tags if tag == "img"]


def rendered(run: RunRecord) -> Page:
    """Return the run's page."""
    return Page(page.render(evaluation.figures(run), run.picture))


def at(figures: dict[str, Any], path: str) -> Any:
    """Return the figure at a dotted path."""
    value: Any = figures
    for key in path.split("."):
        value = value[int(key) if isinstance(value, list) else key]
    return value


@pytest.mark.parametrize(
    "run", [run_of(12), run_of(80, 40), many_labels(run_of(12)), run_of(0), many_labels(run_of(0))]
)
def test_every_figure_is_that_of_metrics_json(tmp_path: Path, run: RunRecord) -> None:
    """Each figure on the page is found in metrics.json under its name, equal to the last digit."""
    write(tmp_path / "data", run)
    figures = json.loads((tmp_path / "data" / "metrics.json").read_text())
    shown = Page((tmp_path / "data" / "report.html").read_text()).figures
    assert {name: value for name, (value, _) in shown.items()} == {name: at(figures, name) for name in shown}
    assert len(shown) > 10


@pytest.mark.parametrize(
    ("value", "text"), [(0.83127, "0.831"), (0.0, "0.000"), (0.00012, "0.00012"), (17, "17"), (None, "–")]
)
def test_figures_are_rounded_for_people(value: float | None, text: str) -> None:
    """A figure is shown with three decimals, a tiny one with its digits, a missing one as a dash."""
    run = run_of(4)
    figures = {**evaluation.figures(run), "accuracy": value}
    assert Page(page.render(figures, None)).figures["accuracy"] == (value, text)


def test_settings_are_shown_as_given() -> None:
    """A setting is not rounded."""
    assert rendered(run_of(4)).figures["settings.learning_rate"] == (0.0001, "0.0001")


@pytest.mark.parametrize("shape", [lambda run: run, many_labels])
@pytest.mark.parametrize("classes", [3, 40])
def test_names_are_text(shape: Any, classes: int) -> None:
    """Names of classes, files, settings and reasons cannot become tags, attributes, templates or scripts."""
    run = run_of(
        3 * classes,
        classes,
        classes=[HOSTILE] * classes,
        names=[HOSTILE] * (3 * classes),
        skipped=[(HOSTILE, HOSTILE)],
        duplicates=[(HOSTILE, HOSTILE)],
        settings={HOSTILE.replace(".", ""): HOSTILE},
        history=[{"epoch": 0, HOSTILE: 1.0, f"{HOSTILE}:{HOSTILE}": 1.0}],
        counts={HOSTILE: [1] * classes},
    )
    result = rendered(shape(run))
    tags = {tag for tag, _ in result.tags}
    assert "script" not in tags
    assert not [name for _, attributes in result.tags for name in attributes if name.startswith("on")]
    assert all(source.startswith("data:image/jpeg;base64,") for source in result.pictures())
    assert HOSTILE in result.text


def test_no_script_and_no_network() -> None:
    """The page asks the browser to forbid both, and names no other place."""
    html = page.render(evaluation.figures(run_of(8)), lambda _: png())
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html
    assert not re.findall(r"https?:|url\(|@import|<link|<script", html)


def test_odd_file_names(tmp_path: Path) -> None:
    """A name that is no UTF-8 does not keep either file from being written, and metrics.json has it as it is."""
    write(tmp_path, run_of(4, names=[ODD] * 4, skipped=[(ODD, "cut")]))
    assert json.loads((tmp_path / "metrics.json").read_text())["skipped"][0]["name"] == ODD
    assert "caf?" in (tmp_path / "report.html").read_text()


def test_thumbnails() -> None:
    """The pictures answered wrong are shown small and in their own shape, 24 at the most."""
    sources = rendered(run_of(100)).pictures()
    assert len(sources) == 24
    data = base64.b64decode(sources[0].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(data)).size == (160, 100)


def test_unreadable_pictures_are_left_out() -> None:
    """What cannot be decoded or found any more gives its place to the next; the figures stay with their pictures."""

    def picture(index: int) -> bytes:
        if index == 1:
            return b"no picture"
        if index == 3:
            raise FileNotFoundError(index)
        if index == 5:
            raise ClientError("the record is damaged")
        return png()

    result = rendered(run_of(10, picture=picture))
    # Of ten answers, those with odd numbers are wrong; three of the five cannot be shown.
    assert [str(attributes["alt"]) for tag, attributes in result.tags if tag == "img"] == [
        "picture 7.png",
        "picture 9.png",
    ]
    assert "most_wrong.3.probability" in result.figures
    assert "most_wrong.0.probability" not in result.figures


def test_without_pictures() -> None:
    """A run that cannot give its pictures has a page without them."""
    assert rendered(run_of(10, picture=None)).pictures() == []


def test_few_classes_have_a_grid_and_many_a_list() -> None:
    """Up to 30 classes are a grid; beyond, the most frequent confusions stand for it, and the weakest come first."""
    assert "Confusion matrix" in rendered(run_of(60, 30)).text
    # Class 1 of 40 is answered wrong alone.
    many = run_of(40, 40, labels=np.arange(40, dtype=np.float32))
    result = rendered(many)
    assert "Confusion matrix" not in result.text
    assert "With 40 classes" in result.text
    shown = [int(name.split(".")[1]) for name in result.figures if re.fullmatch(r"classes\.\d+\.f1", name)]
    f1 = [row["f1"] for row in evaluation.figures(many)["classes"]]
    assert [f1[number] for number in shown] == sorted(f1)


def test_notes() -> None:
    """What spoils the figures is said at the top, and only then."""
    assert 'class="notes"' not in page.render(evaluation.figures(run_of(4)), None)
    spoilt = run_of(
        4, probabilities=np.full((4, 3), np.nan, np.float32), skipped=[("a", "cut")], duplicates=[("b", "c")]
    )
    text = rendered(spoilt).text
    assert "It has diverged" in text
    assert "skipped: 1" in text
    assert "The figures flatter the model" in text
    assert "There was no validation picture" in rendered(run_of(0)).text


@pytest.mark.parametrize(
    ("duplicates", "text"),
    [
        (None, "Nobody looked for pictures that are in both channels."),
        ([], "No picture is in both channels."),
        ([("b", "c")], "In both channels: 1"),
    ],
)
def test_duplicates(duplicates: list[tuple[str, str]] | None, text: str) -> None:
    """Where nobody looked for duplicates, the page does not say that there are none."""
    assert text in rendered(run_of(4, duplicates=duplicates)).text


def test_where_the_page_comes_from() -> None:
    """Job, date, image version and verdict stand under the title; what is unknown is left out."""
    text = " ".join(rendered(run_of(4, job=HOSTILE, date="2026-11-25 08:00 UTC", image_version="1.2.3")).text.split())
    assert f"Training report Job {HOSTILE} · 2026-11-25 08:00 UTC · image version 1.2.3 · model of epoch 1" in text
    assert "right" in evaluation.figures(run_of(4))["verdict"]
    assert evaluation.figures(run_of(4))["verdict"] in text
    assert "Training report model of epoch 1" in " ".join(rendered(run_of(4)).text.split())


def test_a_calibration_at_its_bound_is_words() -> None:
    """No temperature is shown where none was found, nor what would follow from it; the page says why."""
    right = np.eye(3, dtype=np.float32)[np.arange(12) % 3] * 0.9 + np.float32(1 / 30)
    perfect = rendered(run_of(12, probabilities=right))
    assert "No temperature could be found. These pictures are answered so well" in " ".join(perfect.text.split())
    wrong = rendered(run_of(12, probabilities=np.roll(right, 1, 1)))
    assert "No temperature could be found. The net is so often sure and wrong" in " ".join(wrong.text.split())
    for page_ in (perfect, wrong):
        assert not [name for name in page_.figures if name.endswith(("_after", "temperature"))]
        assert "calibration.ece" in page_.figures
        assert "With the temperature" not in page_.text
    assert "calibration.temperature" in rendered(run_of(12)).figures


def test_without_one_finite_answer_there_is_no_calibration() -> None:
    """A net that answers nothing but NaN gets its page all the same."""
    result = rendered(run_of(4, probabilities=np.full((4, 3), np.nan, np.float32)))
    assert "The model cannot be used" in result.text
    assert "Calibration" not in result.text


@pytest.mark.parametrize("shape", [lambda run: run, many_labels])
def test_terms_are_explained_where_they_stand(shape: Any) -> None:
    """Every tile says what its figure means, and the table of classes what its columns are."""
    result = rendered(shape(run_of(12)))
    kinds = [attributes.get("class") for tag, attributes in result.tags if tag == "dd"]
    assert kinds == [None, "meaning"] * (len(kinds) // 2)
    for term in ("Precision:", "Recall:", "F1:", "Loss is the cross-entropy"):
        assert term in result.text
