"""outcome: the report that a job leaves, made from what the job knows."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sagemaker_gluoncv_container import __version__
from sagemaker_gluoncv_container.data.batches import SkippedPictures
from sagemaker_gluoncv_container.training.channels import Channels
from sagemaker_gluoncv_container.training.results import outcome
from sagemaker_gluoncv_container.training.results.checkpoint import Progress
from sagemaker_gluoncv_container.training.results.kept import KeptModels, ValidationAnswers
from support.small_loop import CLASSES, channel, hyperparameters

HISTORY = [{"epoch": 0, "validation:accuracy": 0.5, "validation:loss": 0.7}]
SHARES = np.array([[0.75, 0.25], [0.25, 0.75], [0.5, 0.5], [0.875, 0.125]], np.float32)


class Passing:
    """A channel whose pictures passed by, as through a pipe."""

    def __len__(self) -> int:
        return 4


def kept(names: list[str] | None, labels: list[float]) -> KeptModels:
    """Return what a job has kept: answers to pictures of these names, or nothing."""
    made: Any = object.__new__(KeptModels)
    made.answers = ValidationAnswers(SHARES, np.array(labels, np.float32), names) if names else None
    return made  # type: ignore[no-any-return]


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., None]:
    """Return what writes the report of a small job."""

    def write(validation: Any = None, **given: Any) -> None:
        stored = channel([0, 1, 0, 1], seed=1)
        channels = Channels(channel([0, 0, 0, 1]), validation or stored, CLASSES, [("a.png", "1/0.png")])
        skipped = SkippedPictures()
        skipped.reasons.update({"0/7.png": "It is cut"})
        answers, progress = kept([sample.name for sample in stored.samples], [0, 1, 0, 1]), Progress(1, history=HISTORY)
        outcome.write_report(tmp_path / "data", hyperparameters(**given), channels, progress, answers, skipped)

    return write


def figures(folder: Path) -> dict[str, Any]:
    """Return what metrics.json holds."""
    found: dict[str, Any] = json.loads((folder / "data" / "metrics.json").read_text())
    return found


def test_what_is_reported(write: Callable[..., None], tmp_path: Path) -> None:
    """Figures, counts, skipped pictures, duplicates and settings are the job's own."""
    write(learning_rate=0.25)
    found = figures(tmp_path)
    assert (found["kept_epoch"], found["pictures"], found["accuracy"]) == (0, 4, 0.75)
    assert [row["name"] for row in found["classes"]] == list(CLASSES)
    assert found["counts"] == {"train": [3, 1], "validation": [2, 2]}
    assert found["skipped"] == [{"name": "0/7.png", "reason": "It is cut"}]
    assert found["duplicates"] == [{"train": "a.png", "validation": "1/0.png"}]
    assert (found["settings"]["learning_rate"], found["settings"]["num_classes"]) == (0.25, 2)
    assert found["history"] == HISTORY
    # The picture that was answered wrong is shown.
    assert (tmp_path / "data" / "report.html").read_text().count("<img") == 1


def test_where_a_report_comes_from(write: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job's name is the platform's; the date and the image's version are of this moment and this image."""
    monkeypatch.setenv("TRAINING_JOB_NAME", "job-7")
    write()
    found = figures(tmp_path)
    assert (found["job"], found["image_version"]) == ("job-7", __version__)
    ended = datetime.strptime(found["date"], "%Y-%m-%d %H:%M UTC").replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - ended) < timedelta(minutes=5)


def test_pictures_that_passed_by(write: Callable[..., None], tmp_path: Path) -> None:
    """Of a pipe there are figures, but neither counts nor pictures."""
    write(validation=Passing())
    found = figures(tmp_path)
    assert found["counts"] == {"train": [3, 1]}
    assert found["accuracy"] == 0.75
    assert "<img" not in (tmp_path / "data" / "report.html").read_text()


@pytest.mark.parametrize("history", [[], [{"validation:accuracy": 1.0, "validation:loss": float("inf")}]])
def test_without_a_kept_epoch_there_is_no_report(tmp_path: Path, history: list[dict[str, float]]) -> None:
    """A job whose epochs were never validated, or gave nothing that can be kept, has nothing to report."""
    channels = Channels(channel([0]), channel([1]), CLASSES)
    progress = Progress(history=history)
    outcome.write_report(tmp_path, hyperparameters(), channels, progress, kept(None, []), SkippedPictures())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["metrics.json", "report.html"])
def test_a_full_disk_costs_the_report_and_not_the_job(
    write: Callable[..., None], tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The log names the folder and the free bytes."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / name).symlink_to("/dev/full")
    write()
    [line] = caplog.messages
    assert line.startswith(f"The report cannot be written to {tmp_path / 'data'}. No space left on device. ")
    assert line.endswith("The job ends without it.")
