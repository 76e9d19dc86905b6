"""training.ranges: what is read, what is refused, and what is said of it; test_every_hyperparameter has the tables."""

from typing import Any

import pytest

from sagemaker_gluoncv_container.training import ranges
from sagemaker_gluoncv_container.training.ranges import Range

SHAPE = ranges.image_shape(32, 8)
LAYERS = ranges.layers((18, 34), (20, 32))


@pytest.mark.parametrize(
    ("accepts", "text", "value"),
    [
        (ranges.whole_number(1), "18.0", 18),
        (ranges.whole_number(1), "1e3", 1000),
        (ranges.whole_number(0, 5), "5", 5),
        (ranges.number(0, 1), " 0.1 ", 0.1),
        (ranges.number(0, 1), "1", 1.0),
        (ranges.choice("sgd", "adam"), "Adam", "adam"),
        (ranges.flag(), "1.0", True),
        (ranges.flag(), "0.0", False),
        (ranges.flag(), "TRUE", True),
        (LAYERS, "34.0", 34),
        (LAYERS, "20", 20),
        (SHAPE, "3, 224, 224", (3, 224, 224)),
        (SHAPE, "[3,8,9]", (3, 8, 9)),
        (SHAPE, "3.0,64.0,48.0", (3, 64, 48)),
        (ranges.epochs(), "20.0, 10,", (10, 20)),
    ],
)
def test_read_as_meant(accepts: Range, text: str, value: Any) -> None:
    """A value is read as whoever wrote it meant it, and has its own type."""
    read = accepts.parse(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("accepts", "text"),
    [
        (ranges.whole_number(1), "0"),
        (ranges.whole_number(1), "1.5"),
        (ranges.whole_number(1), "inf"),
        (ranges.whole_number(0, 5), "6"),
        (ranges.number(0, 1), "nan"),
        (ranges.number(0, 1), "1.01"),
        (ranges.choice("sgd", "adam"), "ada"),
        (ranges.flag(), "0.5"),
        (ranges.flag(), "yes"),
        (ranges.flag(), "nan"),
        (LAYERS, "19"),
        (SHAPE, "224,224,3"),
        (SHAPE, "3,7,224"),
        (SHAPE, "3,224"),
        (SHAPE, "3,224.5,224"),
        (ranges.epochs(), "0"),
        (ranges.epochs(), ""),
        (ranges.epochs(), "10;20"),
    ],
)
def test_refused(accepts: Range, text: str) -> None:
    """What means nothing, or nothing certain, is refused."""
    with pytest.raises((ValueError, OverflowError)):
        accepts.parse(text)


@pytest.mark.parametrize(
    ("accepts", "expected"),
    [
        (ranges.whole_number(1), "a whole number of at least 1"),
        (ranges.whole_number(0, 5), "a whole number from 0 to 5"),
        (ranges.number(1, 10**9), "a number from 1 to 1000000000"),
        (ranges.choice("sgd", "adam"), "one of sgd, adam"),
        (ranges.choice("cosine"), "cosine"),
        (LAYERS, "one of 18, 34, or for small pictures 20, 32"),
    ],
)
def test_what_is_expected(accepts: Range, expected: str) -> None:
    """A message can say what a value must be."""
    assert accepts.expected == expected


def test_a_tuner_finds_what_it_needs() -> None:
    """Bounds, choices and the kind of scale are data."""
    accepts = ranges.number(0, 1, log_scale=True)
    assert (accepts.low, accepts.high, accepts.log_scale) == (0, 1, True)
    assert ranges.whole_number(2).high is None
    assert ranges.choice("sgd", "adam").choices == ("sgd", "adam")
    assert ranges.flag().choices == (False, True)
    assert LAYERS.choices == (18, 34, 20, 32)
