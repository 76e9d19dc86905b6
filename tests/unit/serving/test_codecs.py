"""serving.codecs: the exact bodies for each Accept, and what is refused."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from sagemaker_gluoncv_container.errors import EmptyRequest, NotAcceptable, UnreadablePicture, UnsupportedContent
from sagemaker_gluoncv_container.serving import codecs

PROBABILITIES = np.array([0.125, 0.5, 0.1, 1e-8], np.float32)
# Every digit of a float32, so that nothing is lost on the way.
NUMBERS = "[0.125, 0.5, 0.10000000149011612, 9.99999993922529e-09]"
ARRAY, PREDICTION = NUMBERS, f'{{"prediction": {NUMBERS}}}'
JSON, JSON_LINES = "application/json", "application/jsonlines"


def accept(header: str) -> MIMEAccept:
    """Return a header as the app gets it."""
    return parse_accept_header(header, MIMEAccept)


@pytest.mark.parametrize(
    ("header", "content_type", "real_time", "batch"),
    [
        ("", JSON, ARRAY, PREDICTION),
        ("*/*", JSON, ARRAY, PREDICTION),
        ("application/*", JSON, ARRAY, PREDICTION),
        ("application/json", JSON, ARRAY, PREDICTION),
        ("application/json; charset=utf-8", JSON, ARRAY, PREDICTION),
        ("Application/JSON", JSON, ARRAY, PREDICTION),
        ("application/jsonlines", JSON_LINES, PREDICTION, PREDICTION),
        ("text/csv, application/jsonlines", JSON_LINES, PREDICTION, PREDICTION),
        ("application/json;q=0.5, application/jsonlines", JSON_LINES, PREDICTION, PREDICTION),
        ("application/json, application/jsonlines;q=0.5", JSON, ARRAY, PREDICTION),
        ("text/html, */*;q=0.1", JSON, ARRAY, PREDICTION),
    ],
)
def test_answers(header: str, content_type: str, real_time: str, batch: str) -> None:
    """These are the built-in's bodies, to the byte: no newline, which AssembleWith would double."""
    for batch_transform, body in ((False, real_time), (True, batch)):
        found, encode = codecs.negotiate(accept(header), batch_transform)
        assert found == content_type
        assert encode(PROBABILITIES) == body


@pytest.mark.parametrize(
    "header", ["text/csv", "application/x-recordio", "image/*", "application/json;q=0", "nonsense"]
)
def test_answers_that_cannot_be_given(header: str) -> None:
    """A client that takes neither format is told what it asked for and what there is."""
    with pytest.raises(NotAcceptable) as caught:
        codecs.negotiate(accept(header), batch_transform=False)
    assert caught.value.status == 406
    assert "answers are application/json or application/jsonlines" in str(caught.value)


def test_refusal_names_the_header() -> None:
    """The message repeats what came."""
    with pytest.raises(NotAcceptable, match="^Accept is text/csv"):
        codecs.negotiate(accept("text/csv"), batch_transform=False)


@pytest.mark.parametrize("mimetype", ["application/x-image", "image/jpeg", "image/png"])
def test_types_that_are_taken(mimetype: str) -> None:
    """The built-in's three content types are taken."""
    codecs.check_type(mimetype)


@pytest.mark.parametrize(
    ("mimetype", "what"),
    [
        ("text/csv", "Content-Type is text/csv"),
        ("application/json", "Content-Type is application/json"),
        ("image/svg+xml", "Content-Type is image/svg+xml"),
        ("", "there is no Content-Type"),
    ],
)
def test_types_that_are_not_taken(mimetype: str, what: str) -> None:
    """Another type is refused, with all that are taken."""
    with pytest.raises(UnsupportedContent) as caught:
        codecs.check_type(mimetype)
    assert caught.value.status == 415
    assert caught.value.what == what
    assert "application/x-image, image/jpeg, image/png" in caught.value.why


def test_picture(encode: Callable[..., bytes]) -> None:
    """A body is decoded by what it is, not by what its type says."""
    image = codecs.decode(encode(Image.new("L", (3, 2), 7)))
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (3, 2), (7, 7, 7))


@pytest.mark.parametrize(("body", "error"), [(b"", EmptyRequest), (b"{}", UnreadablePicture)])
def test_no_picture(body: bytes, error: type[Exception]) -> None:
    """An empty body and an unreadable one are different mistakes."""
    with pytest.raises(error):
        codecs.decode(body)
