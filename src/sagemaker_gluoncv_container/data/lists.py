"""Reads `.lst` files, one picture a line: index TAB label [TAB label ...] TAB path.

Source: MXNet's `tools/im2rec.py`.
"""

import codecs
import re
from collections.abc import Iterator
from typing import NamedTuple

from ..errors import ClientError, some

_LINE_ENDS = re.compile("\r\n|\n|\r")
_MOST_SHOWN = 60
# Of the longer mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
    (codecs.BOM_UTF8, "utf-8-sig"),
)


class Line(NamedTuple):
    """A line: its number from 1, the labels as they are written, and the picture's path as it is written."""

    number: int
    labels: tuple[float, ...]
    path: str


def decode(data: bytes, file: str) -> str:
    """Return the text of a list, which is UTF-8 unless its first bytes say UTF-16 or UTF-32.

    Bytes that are not UTF-8 come as surrogates, as `os.fsdecode` gives them, because file names may hold such bytes.
    Raises ClientError if it is UTF-16 or UTF-32 that cannot be read.
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None) or _unmarked(data)
    try:
        return data.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "strict")
    except UnicodeDecodeError as error:
        why = f"It begins as {encoding.upper()} but is not: {error.reason} at byte {error.start}"
        raise ClientError(f"{file} cannot be read", why, "Save it as UTF-8") from error


def _unmarked(data: bytes) -> str:
    """Return the encoding of text without a mark: the zero bytes of ASCII letters tell UTF-16."""
    even, odd = data[0:64:2], data[1:64:2]
    if len(odd) > 1 and not any(odd):
        return "utf-16-le"
    return "utf-16-be" if len(even) > 1 and not any(even) else "utf-8"


def lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number from 1 and the text of each line that is not blank; any system's line ends are read."""
    return ((number, line) for number, line in enumerate(_LINE_ENDS.split(text), 1) if line.strip())


def read(data: bytes, file: str) -> Iterator[Line]:
    """Yield the lines of a `.lst` file. Raises ClientError that names the lines of another form, after the others."""
    faults = []
    for number, line in lines(decode(data, file)):
        try:
            _, first, *more, path = line.split("\t")
            labels = tuple(map(float, (first, *more)))
        except ValueError:
            faults.append(f"line {number}: {line[:_MOST_SHOWN]!r}")
            continue
        yield Line(number, labels, path.strip())
    if faults:
        why = f"Lines must be index TAB label(s) TAB path; these are not: {some(faults)}"
        raise ClientError(f"{file} cannot be read", why, "Make it with im2rec's --list, or with tabs")
