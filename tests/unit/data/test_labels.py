"""What label numbers mean."""

import pytest

from sagemaker_gluoncv_container.data.labels import CLASS_ID, MULTI_HOT, Labelling, multi_hot, parse, written

SINGLE, HOT, IDS = Labelling(False), Labelling(True, MULTI_HOT), Labelling(True, CLASS_ID)


@pytest.mark.parametrize(
    ("labelling", "labels", "expected"),
    [
        (SINGLE, (0.0,), (0,)),
        (SINGLE, (2.0,), (2,)),
        (Labelling(False, CLASS_ID), (2.0,), (2,)),
        (HOT, (1.0, 0.0, 1.0), (1, 0, 1)),
        (HOT, (0.0, 0.0, 0.0), (0, 0, 0)),
        (IDS, (2.0, 0.0), (1, 0, 1)),
        (IDS, (1.0, 1.0), (0, 1, 0)),
        (IDS, (), (0, 0, 0)),
    ],
)
def test_labels_that_are_right(labelling: Labelling, labels: tuple[float, ...], expected: tuple[float, ...]) -> None:
    """One class id stays as it is; a multi-label job gets a vector of 0 and 1 from either format."""
    assert labelling.read(labels, 3) == expected


@pytest.mark.parametrize(
    ("labelling", "labels", "reason"),
    [
        (SINGLE, (3.0,), "out of range, which is 0 to 2"),
        (SINGLE, (0.5,), "not one whole number from 0"),
        (SINGLE, (), "not one whole number from 0"),
        (SINGLE, (float("inf"),), "not one whole number from 0"),
        (HOT, (1.0, 0.0), "not 3 numbers, as many as there are classes"),
        (HOT, (1.0, 0.0, 0.0, 0.0), "out of range, which is 0 to 2"),
        (HOT, (1.0, 0.0, 2.0), "not a vector of 0 and 1"),
        (HOT, (), "not a vector of 0 and 1"),
        (IDS, (0.0, 3.0), "out of range, which is 0 to 2"),
        (IDS, (-1.0,), "not whole numbers from 0"),
    ],
)
def test_labels_that_are_wrong(labelling: Labelling, labels: tuple[float, ...], reason: str) -> None:
    """The reason is said."""
    with pytest.raises(ValueError, match=reason):
        labelling.read(labels, 3)


@pytest.mark.parametrize(
    ("text", "labels"),
    [("0", (0,)), ("12", (12,)), ("3.0", (3,)), ('"2"', (2,)), ("[1, 0, 1]", (1, 0, 1)), ('"[1,0]"', (1, 0))]
    + [("[]", ()), ('["1", "0"]', (1, 0)), (" 4\n", (4,))],
)
def test_the_text_of_a_manifest(text: str, labels: tuple[float, ...]) -> None:
    """A number, a list, and either in quotes are read."""
    assert parse(text) == labels


@pytest.mark.parametrize("text", ["", "bird", '"bird"', "{}", "null", "[[1]]", "[null]", "1 0 1"])
def test_a_text_that_is_no_label(text: str) -> None:
    """Anything else is an error, never a label."""
    with pytest.raises(ValueError):
        parse(text)


def test_labels_in_a_message() -> None:
    """Whole numbers are written without a fraction."""
    assert (written((1.0, 0.5)), written(())) == ("1, 0.5", "nothing")


def test_a_multi_hot_vector() -> None:
    """Each class that is given is 1, however often, all others 0."""
    assert multi_hot([2, 0, 2.0], 4) == (1.0, 0.0, 1.0, 0.0)
    assert multi_hot([], 2) == (0.0, 0.0)
