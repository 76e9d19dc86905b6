"""Ground Truth's manifests, in the forms that AWS documents."""

import json
from typing import Any

import pytest

from sagemaker_gluoncv_container.data.manifests import Label, label, label_attribute, parse
from sagemaker_gluoncv_container.errors import ClientError

REF = {"source-ref": "s3://bucket/picture.jpg"}


def read(entry: dict[str, Any], attribute: str | None = None) -> Label:
    """Return the label of a line."""
    entry = parse(json.dumps(REF | entry), "line 1")
    return label(entry, attribute or label_attribute(entry), "line 1")


def test_one_label() -> None:
    """The class has its name, its confidence, and who gave it."""
    metadata = {"class-name": "golf", "confidence": 0.8, "human-annotated": "no"}
    assert read({"sport": 3, "sport-metadata": metadata}) == Label(("golf",), False, 0.8, False)


def test_several_labels() -> None:
    """Names come from the class map, and the least confidence counts."""
    metadata = {"class-map": {"0": "cat", "4": "dog"}, "confidence-map": {"0": 0.9, "4": 0.2}}
    assert read({"animals": [4, 0], "animals-metadata": metadata}) == Label(("cat", "dog"), True, 0.2)
    assert read({"animals": [], "animals-metadata": {"class-map": {}}}) == Label((), True)


def test_an_augmented_manifest() -> None:
    """What training reads as text is a label too: a class id, or a 0 or 1 for each class."""
    assert read({"class": "0"}) == Label(("0",))
    assert read({"class": "[1, 0, 1]"}) == Label(("0", "2"), True)


def test_what_has_no_label() -> None:
    """An input manifest's line, an empty one and a failed one have none, and say why."""
    assert read({}).refusal(0, False) == ("unlabelled", "the line has no label")
    assert read({"a": None, "a-metadata": {}}).classes is None
    failed = read({"a": 1, "a-metadata": {"failure-reason": "no such picture"}})
    assert failed.refusal(0, False) == ("unlabelled", "no such picture")


def test_filters() -> None:
    """A label under the least confidence, or of a machine where only humans count, is refused."""
    assert Label(("a",), confidence=0.5).refusal(0.5, True) == (None, "")
    assert Label(("a",), confidence=0.49).refusal(0.5, False)[0] == "low-confidence"
    assert Label(("a",), human=False).refusal(0, True)[0] == "not-human"
    assert Label(("a",), human=False).refusal(0, False)[0] is None


def test_several_attributes_must_be_chosen_from() -> None:
    """Of two labelled attributes one is named by the user; one with metadata wins over one without."""
    two = {"a": 1, "a-metadata": {"class-name": "x"}, "b": 2, "b-metadata": {"class-name": "y"}}
    with pytest.raises(ClientError, match="--label-attribute"):
        read(two)
    assert read(two, "b").classes == ("y",)
    assert read({"a": 1, "a-metadata": {"class-name": "x"}, "id": 5}).classes == ("x",)


@pytest.mark.parametrize("line", ["", "[1]", "{", '{"source": "x"}', '{"source-ref": 3}'])
def test_a_line_that_is_none(line: str) -> None:
    """What is no line of a manifest is an error that names the line."""
    with pytest.raises(ClientError, match="line 7"):
        parse(line, "line 7")


def test_a_label_of_another_task() -> None:
    """Bounding boxes are no classes."""
    with pytest.raises(ClientError, match="class id"):
        read({"boxes": {"annotations": []}, "boxes-metadata": {}})
