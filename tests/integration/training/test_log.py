"""The lines that users of the built-in algorithm parse, and the expressions that the documents give for them."""

import logging
import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import contract
from sagemaker_gluoncv_container.training import job
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters

DOCS = Path(__file__).resolve().parents[3] / "docs" / "training.md"


class Lines(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, drawn: Path) -> Iterator[list[str]]:
    """Return the log of a job of two epochs with 40 batches each."""
    base = tmp_path_factory.mktemp("log")
    shutil.copytree(drawn, base / "input" / "data")
    given = {"num_layers": "20", "image_shape": "3,32,32", "mini_batch_size": "2", "epochs": "2", "top_k": "2"}
    kept = Lines()
    logger = logging.getLogger("sagemaker_gluoncv_container")
    logger.addHandler(kept)
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        job.run(contract.Paths(base), Hyperparameters.from_strings(given), threading.Event())
        yield kept.lines
    finally:
        logger.removeHandler(kept)
        logger.setLevel(before)


def documented() -> dict[str, str]:
    """Return the MetricDefinitions of the documents: names and regular expressions."""
    found = dict(re.findall(r'\{"Name": "([^"]+)", "Regex": "([^"]+)"\}', DOCS.read_text()))
    return {name: expression.replace("\\\\", "\\") for name, expression in found.items()}


def test_documented_expressions_find_one_figure_an_epoch(lines: list[str]) -> None:
    """Each expression matches once for each epoch, and gives a number."""
    expressions = documented()
    assert expressions.keys() >= {"train:accuracy", "train:loss", "validation:accuracy", "validation:loss"}
    for name, expression in expressions.items():
        matches = [found[1] for line in lines if (found := re.search(expression, line))]
        assert len(matches) == 2, name
        assert all(float(each) >= 0 for each in matches)


def test_validation_accuracy_is_one_figure_in_both_lines(lines: list[str]) -> None:
    """The built-in's line and the stable one say the same."""
    text = "\n".join(lines)
    built_in = re.findall(r"Epoch\[\d+\] Validation-accuracy=([0-9.]+)", text)
    assert built_in == re.findall(r"validation:accuracy=([0-9.]+)", text)
    assert len(built_in) == 2


@pytest.mark.parametrize(
    "expression",
    [
        r"^Epoch\[0\] Batch \[20\]\tSpeed: \d+\.\d+ samples/sec\taccuracy=\d\.\d{6}\ttop_k_accuracy_2=\d\.\d{6}$",
        r"^Epoch\[0\] Train-accuracy=\d\.\d{6}$",
        r"^Epoch\[0\] Train-top_k_accuracy_2=\d\.\d{6}$",
        r"^Epoch\[0\] Time cost=\d+\.\d{3}$",
        r"^Epoch\[0\] Validation-accuracy=\d\.\d{6}$",
        r"^Epoch\[1\] Validation-top_k_accuracy_2=\d\.\d{6}$",
    ],
)
def test_lines_are_the_built_ins(lines: list[str], expression: str) -> None:
    """The built-in algorithm's lines, character by character."""
    assert len([line for line in lines if re.match(expression, line)]) == 1
