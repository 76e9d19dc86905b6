"""registration: which names and directories POST /models takes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import BadRequest
from sagemaker_gluoncv_container.serving.http import registration


def body(name: object = "a", url: object = "/models/a") -> bytes:
    """Return the body of a request."""
    return json.dumps({"model_name": name, "url": url}).encode()


@pytest.mark.parametrize(
    "name", ["a", "a/b//c", " ", "caf\u00e9 & co?#.tar.gz", "\u6a21\u578b", "\U0001f33b", "a" * 1024, "../..", '"\\']
)
def test_names(name: str) -> None:
    """Names are opaque: any printable text up to SageMaker's limit, escaped or not."""
    assert registration.parse(body(name)) == (name, "/models/a")
    assert registration.parse(json.dumps({"model_name": name, "url": "u", "x": 1}, ensure_ascii=False).encode()) == (
        name,
        "u",
    )


UNPRINTABLE = ["\ud800", "a\udfffb", "\0", "a\nb", "\x1b[31m", "\x7f", "\x85", "\u2028"]


@pytest.mark.parametrize("value", [*UNPRINTABLE, 7, True, ["a"], {"a": 1}, None, "", 1.5])
@pytest.mark.parametrize("field", ["model_name", "url"])
def test_what_neither_may_be(field: str, value: object) -> None:
    """Halves of surrogate pairs, control characters, and what is not a text, are refused by the field's name."""
    with pytest.raises(BadRequest, match=field) as caught:
        registration.parse(body(**{"name" if field == "model_name" else "url": value}))
    # What the client is told, and the log, can be written in any encoding.
    str(caught.value).encode("ascii")


@pytest.mark.parametrize(
    ("name", "url", "what"),
    [
        ("a" * 1025, "/a", "model_name has 1025"),
        ("a", "/" + "a/" * 2500, "url is too long"),
        ("a", "a" * 5000, "url is too long"),
        ("a", "/" + "a" * 256, "url is too long"),
        ("a", "/" + "\u00fc" * 128, "url is too long"),
    ],
)
def test_lengths(name: str, url: str, what: str) -> None:
    """A name is bounded by SageMaker, a path by Linux, in bytes."""
    with pytest.raises(BadRequest, match=what):
        registration.parse(body(name, url))


def test_the_longest_path() -> None:
    """What Linux takes is taken."""
    url = ("/" + "a" * 255) * 15 + "/" + "a" * 254
    assert len(url) == 4095
    assert registration.parse(body("a", url)) == ("a", url)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"7",
        b"null",
        b'"text"',
        b"no JSON",
        b"[" * 100_000,
        b'{"model_name":' * 100_000,
        b'{"model_name": "a", "url": ' + b"[" * 100_000,
        body()[:-1],
        body().decode().encode("utf-16"),
        b'{"model_name": "\xff", "url": "/a"}',
        b'{"model_name": ' + b"1" * 5000 + b', "url": "/a"}',
    ],
)
def test_other_bodies(data: bytes) -> None:
    """What is not a JSON object is refused, and the message shows one; UTF-16, which JSON may be in, is read."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        assert registration.parse(data) == ("a", "/models/a")
    else:
        with pytest.raises(BadRequest, match='Send {"model_name"'):
            registration.parse(data)


VALUES = st.recursive(st.none() | st.text() | st.floats(), st.lists)


@given(data=st.binary(max_size=100) | VALUES.map(lambda value: json.dumps(value).encode()))
def test_any_body(data: bytes) -> None:
    """No body makes anything but two texts or a refusal."""
    with pytest.raises(BadRequest):
        registration.parse(data)
