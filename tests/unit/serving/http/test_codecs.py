"""codecs: which bodies are taken, which answers are given, and the options of an answer."""

import base64
import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from sagemaker_gluoncv_container.errors import BadRequest, ContainerError, NotAcceptable, UnsupportedContent
from sagemaker_gluoncv_container.serving.http import codecs
from sagemaker_gluoncv_container.serving.http.codecs import BYTES, JSON, JSON_LINES, RECORDIO, Format, Options

FRAMED = recordio.frame(recordio.pack(ImageRecord((1.0,), 0, b"picture")))
PROBABILITIES = np.array([0.125, 0.5, 0.25, 0.125], np.float32)


def negotiate(accept: str, attributes: str = "", batch_transform: bool = False, many: bool = False) -> Format:
    """Negotiate with the usual defaults."""
    return codecs.negotiate(accept, attributes, batch_transform, many)


@pytest.mark.parametrize(
    ("header", "start", "kind"),
    [
        ("image/jpeg", b"", "image/jpeg"),
        ("Application/X-Image; a=b", b"", "application/x-image"),
        (BYTES, b"\xff\xd8\xff", "application/x-image"),
        (BYTES, FRAMED[:64], RECORDIO),
        (BYTES, b' {"image"', JSON_LINES),
    ],
)
def test_content_type(header: str, start: bytes, kind: str) -> None:
    """A type is taken in any case and with parameters; octet-stream is told by its first bytes."""
    assert codecs.content_type(header, start) == kind


@pytest.mark.parametrize("header", ["", "text/csv", "application/json", "image", "\x00", ";"])
def test_other_content_types(header: str) -> None:
    """Any other type is refused, and the message lists those that are taken."""
    with pytest.raises(UnsupportedContent, match="application/x-image, image/jpeg"):
        codecs.content_type(header, b"")


def test_which_bodies_hold_many() -> None:
    """JSON Lines and framed RecordIO can hold many pictures; one stripped record and a picture cannot."""
    assert codecs.is_many(JSON_LINES, b"{")
    assert codecs.is_many(RECORDIO, FRAMED)
    assert not codecs.is_many(RECORDIO, FRAMED[8:])
    assert not codecs.is_many("image/png", FRAMED)


@pytest.mark.parametrize("accept", ["*/*", "", "application/*", "application/json", "text/html, */*;q=0.1"])
def test_json_is_what_is_given_first(accept: str) -> None:
    """JSON is given to whoever takes it or anything: a bare array in real time, an object in batch transform."""
    assert negotiate(accept) == Format(JSON, True, Options())
    assert negotiate(accept, batch_transform=True) == Format(JSON, False, Options())


@pytest.mark.parametrize(
    "accept", ["application/jsonlines", "APPLICATION/JSONLINES", "application/json;q=0.1, application/jsonlines"]
)
def test_json_lines_when_asked_for(accept: str) -> None:
    """JSON Lines are given to whoever prefers them."""
    assert negotiate(accept) == Format(JSON_LINES, False, Options())


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/jsonlines"])
def test_many_pictures_are_answered_in_lines(accept: str) -> None:
    """Many pictures get JSON Lines, also for a client that says application/json."""
    assert negotiate(accept, many=True).content_type == JSON_LINES


@pytest.mark.parametrize("accept", ["text/csv", "image/*", "application/json;q=0", "nonsense"])
@pytest.mark.parametrize("many", [False, True])
def test_what_cannot_be_given(accept: str, many: bool) -> None:
    """A client that takes nothing that can be given is refused."""
    with pytest.raises(NotAcceptable):
        negotiate(accept, many=many)


@pytest.mark.parametrize(
    ("accept", "attributes"),
    [
        ("application/json;top_k=2;classes=TRUE;threshold=0.5", ""),
        ("*/*;top_k=2;classes=true;threshold=0.5", ""),
        ("*/*", "top_k=2,classes=true,threshold=0.5"),
        ("*/*", "trace=1; TOP_K = 2 ;classes=true; threshold=.5; more"),
        ("*/*;top_k=2", "classes=true,threshold=0.5,top_k=9"),
    ],
)
def test_options(accept: str, attributes: str) -> None:
    """Options come by Accept or Custom-Attributes; what others put there is let be, and Accept wins."""
    assert negotiate(accept, attributes).options == Options(classes=True, top_k=2, threshold=0.5)


@pytest.mark.parametrize(
    "option", ["top_k=0", "top_k=x", "top_k=1.5", "classes=yes", "threshold=1.1", "threshold=nan", "top_k="]
)
def test_wrong_options(option: str) -> None:
    """A wrong value is refused, and the message says which are right."""
    with pytest.raises(BadRequest, match="top_k a whole number from 1"):
        negotiate("*/*", option)


def test_the_bare_answer() -> None:
    """Without options the answer is the built-in's array, its numbers in full."""
    answer = negotiate("*/*").one(np.array([1 / 3, 2 / 3], np.float32))
    assert answer == "[0.3333333432674408, 0.6666666865348816]"


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (Options(top_k=1), [1]),
        (Options(top_k=9), [1, 2, 0, 3]),
        (Options(threshold=0.25), [1, 2]),
        (Options(threshold=0.0), [1, 2, 0, 3]),
        (Options(top_k=1, threshold=0.9), []),
    ],
)
def test_chosen_labels(options: Options, labels: list[int]) -> None:
    """The most probable come first, those alike in their order, as many as asked for, from the threshold on."""
    answer = json.loads(Format(JSON, True, options).one(PROBABILITIES))
    assert [each["label"] for each in answer] == labels
    assert [each["probability"] for each in answer] == [float(PROBABILITIES[label]) for label in labels]


@pytest.mark.parametrize(("classes", "name"), [(("a", "b", "c", "d"), "b"), ((), "1"), (("a",), "1")])
def test_class_names(classes: tuple[str, ...], name: str) -> None:
    """A label has its name, or its number where the model has none."""
    (best,) = json.loads(Format(JSON, True, Options(classes=True, top_k=1), classes).one(PROBABILITIES))
    assert best == {"label": 1, "class": name, "probability": 0.5}


def test_many() -> None:
    """Many answers are lines in order, an error in its place, whatever form one answer has."""
    lines = Format(JSON, True, Options()).many([PROBABILITIES, BadRequest("it is bad"), PROBABILITIES])
    answers = [json.loads(line) for line in lines.split("\n")]
    assert answers == [
        {"prediction": PROBABILITIES.tolist()},
        {"error": "it is bad."},
        {"prediction": PROBABILITIES.tolist()},
    ]


def test_pictures_of_json_lines() -> None:
    """Each line is a picture, empty lines are none, and a line that holds no picture is an error in its place."""
    good = json.dumps({"image": base64.b64encode(b"picture").decode(), "id": 7})
    bad = ["{}", "[]", "7", '{"image": 7}', '{"image": "%%%"}', "no JSON", '{"image": null}', "\xff"]
    found = list(codecs.pictures(JSON_LINES, "\n\n".join([good, *bad, good]).encode("latin-1")))
    assert [found[0], found[-1]] == [b"picture", b"picture"]
    assert len(found) == len(bad) + 2
    assert all(isinstance(each, BadRequest) for each in found[1:-1])


def test_pictures_of_records() -> None:
    """A framed body yields each record's picture, a stripped one its one; a cut one ends in an error."""
    assert list(codecs.pictures(RECORDIO, FRAMED * 2)) == [b"picture", b"picture"]
    assert list(codecs.pictures(RECORDIO, FRAMED[8:32] + b"picture")) == [b"picture"]
    whole, error = codecs.pictures(RECORDIO, FRAMED + FRAMED[:-4])
    assert whole == b"picture"
    assert isinstance(error, ContainerError)


@given(kind=st.sampled_from([RECORDIO, JSON_LINES]), body=st.binary(max_size=200), framed=st.booleans())
def test_any_body(kind: str, body: bytes, framed: bool) -> None:
    """No body makes anything but pictures and errors in their places."""
    for each in codecs.pictures(kind, recordio.MAGIC_BYTES + body if framed else body):
        assert isinstance(each, bytes | ContainerError)


@given(accept=st.text(max_size=60), attributes=st.text(max_size=60))
def test_any_header(accept: str, attributes: str) -> None:
    """No header makes anything but a format or a refusal."""
    with suppress(NotAcceptable, BadRequest):
        assert negotiate(accept, attributes).content_type in (JSON, JSON_LINES)
