"""`.lst` files as people and systems write them."""

import codecs
import os

import pytest

from sagemaker_gluoncv_container.data import lists
from sagemaker_gluoncv_container.errors import ClientError

TEXT = "0\t1.0\ta b/Zürich.jpg\r\n\r\n7\t0\t1\t./2.jpg\r\n"
LINES = [lists.Line(1, (1.0,), "a b/Zürich.jpg"), lists.Line(3, (0.0, 1.0), "./2.jpg")]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        TEXT.encode("utf-32"),
        TEXT.replace("\r\n", "\n").encode(),
        TEXT.replace("\r\n", "\r").encode(),
        TEXT.rstrip().encode(),
    ],
    ids=["utf-8", "mark", "utf-16", "utf-16-be", "le, no mark", "be, no mark", "utf-32", "unix", "old mac", "no end"],
)
def test_encodings_and_line_ends(data: bytes) -> None:
    """Every system's encodings and line ends give the same lines, blank ones counted but left out."""
    assert list(lists.read(data, "x.lst")) == LINES


def test_paths_that_are_not_utf8() -> None:
    """Bytes of a path in another encoding come as the file system gives them."""
    (line,) = lists.read(b"0\t0\tcaf\xe9.jpg", "x.lst")
    assert os.fsencode(line.path) == b"caf\xe9.jpg"


def test_characters_that_only_unicode_calls_line_ends() -> None:
    """A line separator of Unicode in a path does not end the line."""
    (line,) = lists.read("0\t0\ta\u2028b\x85c.jpg".encode(), "x.lst")
    assert line.path == "a\u2028b\x85c.jpg"


def test_other_lines_are_named_after_the_good_ones() -> None:
    """Each line of another form is in one message, with its number."""
    lines = lists.read(b"0\t1\ta.jpg\n1 0 b.jpg\n2\tcat\tc.jpg\n3\td.jpg\n", "x.lst")
    assert next(lines) == lists.Line(1, (1.0,), "a.jpg")
    with pytest.raises(ClientError, match=r"line 2: '1 0 b.jpg', line 3: '2\\tcat\\tc.jpg', line 4") as caught:
        next(lines)
    assert caught.value.what == "x.lst cannot be read"


def test_damaged_utf16() -> None:
    """UTF-16 that breaks off is named for what it is."""
    with pytest.raises(ClientError, match=r"x\.lst cannot be read\. It begins as UTF-16 but is not: .* at byte 4"):
        lists.decode(codecs.BOM_UTF16_LE + b"a\0b", "x.lst")


def test_short_texts() -> None:
    """A text of a few bytes, or none, is UTF-8."""
    assert [lists.decode(data, "x") for data in (b"", b"a", b"ab")] == ["", "a", "ab"]
