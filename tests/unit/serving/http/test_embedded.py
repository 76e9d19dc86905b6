"""embedded: pictures as text, in each way in which clients write them."""

import base64
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import BadRequest, ContainerError, UnsupportedContent
from sagemaker_gluoncv_container.serving.http import embedded

# Holds both characters in which the alphabets differ, and needs padding.
PICTURE = b"\xff\xd8\xff\xfb\xef\xbe picture"
PLAIN = base64.b64encode(PICTURE).decode()


@pytest.mark.parametrize(
    "text",
    [
        PLAIN,
        base64.urlsafe_b64encode(PICTURE).decode(),
        PLAIN.rstrip("="),
        base64.encodebytes(PICTURE * 9).decode(),
        "\r\n".join(PLAIN[start : start + 4] for start in range(0, len(PLAIN), 4)),
        f"  {PLAIN}\n",
        f'"{PLAIN}"',
        f"data:image/jpeg;base64,{PLAIN}",
        f"DATA:image/jpeg;charset=utf-8;BASE64,{PLAIN}",
        f"data:;base64,{PLAIN}".replace("+", "%2B").replace("=", "%3D"),
        "data:image/jpeg," + "".join(f"%{byte:02x}" for byte in PICTURE),
    ],
)
def test_decode(text: str) -> None:
    """Base64 in either alphabet, wrapped, quoted, without padding, and data URIs are read, as text and as bytes."""
    expected = PICTURE * 9 if len(text) > 150 else PICTURE
    assert embedded.decode(text) == expected
    assert embedded.decode(text.encode()) == expected


@pytest.mark.parametrize(
    "text", ["", "=", "  ", "%%%", "abcde", "é", "data:image/png", "data:;base64,", "data:,", "a\0bc"]
)
def test_not_decoded(text: str) -> None:
    """What is not base64, or holds nothing, is refused with an example of what to send."""
    with pytest.raises(BadRequest, match="Send"):
        embedded.decode(text)


@pytest.mark.parametrize(
    "value",
    [
        PLAIN,
        {"image": PLAIN, "id": 7},
        {"b64": PLAIN},
        {"image": {"b64": PLAIN}},
        {"data": PLAIN},
        {"inputs": f"data:image/png;base64,{PLAIN}"},
    ],
)
def test_in_json(value: Any) -> None:
    """A picture is a text, or a text under one of the keys in use."""
    assert embedded.in_json(value) == PICTURE


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ({}, UnsupportedContent),
        ([], UnsupportedContent),
        (7, UnsupportedContent),
        (None, UnsupportedContent),
        (True, UnsupportedContent),
        ({"picture": PLAIN}, UnsupportedContent),
        ({"image": {}}, UnsupportedContent),
        ({"image": 7}, BadRequest),
        ({"image": None}, BadRequest),
        ({"image": [[0, 1], [2, 3]]}, BadRequest),
        ({"image": "%%%"}, BadRequest),
        ({"image": "\ud800"}, BadRequest),
        ({"b64": {"b64": PLAIN}}, BadRequest),
    ],
)
def test_no_picture_in_json(value: Any, error: type[ContainerError]) -> None:
    """JSON of another form is 415, and a picture that is not base64 is 400; both show what to send."""
    with pytest.raises(error) as caught:
        embedded.in_json(value)
    assert embedded.EXAMPLE in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [b"[" * 100_000, b'{"image":' * 100_000, b"no JSON", b"\xff\xfe\xfd", b"", b'{"image": ' + b"1" * 5000 + b"}"],
)
def test_what_is_not_json(text: bytes) -> None:
    """Text that is not JSON, nested beyond measure or of wild numbers, is a client's mistake."""
    with pytest.raises(BadRequest):
        embedded.read_json(text)


@pytest.mark.parametrize("text", ["https://host/a.jpg", "s3://bucket/a.jpg", "http://a", "file:///a"])
def test_addresses(text: str) -> None:
    """The address of a picture is named for what it is."""
    with pytest.raises(BadRequest, match="does not fetch"):
        embedded.decode(text)


def test_long_messages_are_cut() -> None:
    """A message does not repeat a whole body."""
    with pytest.raises(BadRequest) as caught:
        embedded.read_json(json.dumps("a" * 10_000).encode() + b"b" * 10_000)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("head", [PLAIN.encode(), b"data:image/png;base64,iVB", b'"iVBORw0KGgo', b"  iVBO\r\nRw0K"])
def test_text_is_seen(head: bytes) -> None:
    """Base64 and data URIs are told by their beginning."""
    assert embedded.looks_like_text(head)


@pytest.mark.parametrize(
    "head", [b"", b"\xff\xd8\xff", b"RIFF\x10\0\0\0WEBP", b'{"image": "', b"<svg>", b"II*\0", b"BM\0\0"]
)
def test_bytes_are_not_taken_for_text(head: bytes) -> None:
    """Pictures and other texts are not."""
    assert not embedded.looks_like_text(head)


@given(text=st.binary(max_size=80))
def test_any_text(text: bytes) -> None:
    """No text makes anything but bytes or a refusal."""
    with suppress(BadRequest):
        assert embedded.decode(text)


@given(data=st.binary(min_size=1, max_size=80))
def test_there_and_back(data: bytes) -> None:
    """What was encoded comes back."""
    assert embedded.decode(base64.b64encode(data)) == data == embedded.decode(base64.urlsafe_b64encode(data))
