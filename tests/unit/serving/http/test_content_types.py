"""content_types: the names under which bodies are taken, and the message about any other."""

import pytest

from sagemaker_gluoncv_container import formats
from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.serving.http import content_types
from sagemaker_gluoncv_container.serving.http.content_types import BYTES, FORM, JSON, JSON_LINES, RECORDIO, TEXT, TYPES


@pytest.mark.parametrize(
    "header", sorted(formats.ALL_CONTENT_TYPES | {"image/heic", "image/svg+xml", "Image/JPG ; q=1"})
)
def test_types_of_pictures(header: str) -> None:
    """All types of pictures are one kind, in any case, also those of formats that are not read: the bytes decide."""
    assert content_types.parse(header)[0] == formats.ANY_PICTURE


@pytest.mark.parametrize("kind", [RECORDIO, JSON_LINES, JSON, BYTES, TEXT, FORM])
def test_other_types(kind: str) -> None:
    """The other types are kinds of their own, in any case and with parameters."""
    assert content_types.parse(kind) == (kind, ())
    assert content_types.parse(f"{kind.upper()}; charset=UTF-8") == (kind, (("charset", "UTF-8"),))
    assert kind in TYPES


def test_other_names() -> None:
    """JSON Lines and bytes have several names each."""
    assert {content_types.parse(each)[0] for each in content_types.JSON_LINES_TYPES} == {JSON_LINES}
    assert content_types.parse("binary/octet-stream")[0] == content_types.parse("file-path/raw-bytes")[0] == BYTES


@pytest.mark.parametrize(
    "header", ["", " ", "image/", "image", "text/csv", "application/x-npy", "multipart/mixed", "\0", ";a=b"]
)
def test_types_that_are_not_taken(header: str) -> None:
    """Everything else has no kind."""
    assert content_types.parse(header)[0] == ""


@pytest.mark.parametrize(
    ("head", "command", "more"),
    [
        (b"\x89PNG\r\n\x1a\n", '@picture.jpg -H "Content-Type: application/x-image"', "the body is a PNG picture"),
        (recordio.MAGIC_BYTES, '@pictures.rec -H "Content-Type: application/x-recordio"', ""),
        (b'\xef\xbb\xbf [{"image"', '@picture.json -H "Content-Type: application/json"', ""),
        (b"", '@picture.jpg -H "Content-Type: application/x-image"', ""),
    ],
)
def test_the_message(head: bytes, command: str, more: str) -> None:
    """It quotes the header, lists the types, and shows the command for what the body looks like."""
    error = content_types.unsupported("text/csv", head)
    assert error.status == 415
    assert "Content-Type is 'text/csv'" in str(error)
    assert all(kind in str(error) for kind in TYPES)
    assert command in str(error)
    assert more in str(error)


def test_long_headers_are_cut() -> None:
    """A message does not repeat a header of any length."""
    assert len(str(content_types.unsupported("a" * 8000, b""))) < 800
    assert str(content_types.unsupported(" ", b"")).startswith("There is no Content-Type.")


@pytest.mark.parametrize(
    ("head", "expected"), [(b"{", True), (b"\xef\xbb\xbf\n [", True), (b"a{", False), (b"", False)]
)
def test_is_json(head: bytes, expected: bool) -> None:
    """Objects and lists are told by their bracket, after a byte order mark and white space."""
    assert content_types.is_json(head) is expected
