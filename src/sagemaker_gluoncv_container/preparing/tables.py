"""Reads CSV files: a picture's path and its label in each row, with or without a header, in any order of columns.

The delimiter is a tab, a semicolon or a comma, whichever the first line has. The first row is a header if it holds no
path of a picture, while it has a known name of a column, or a later row holds a path of a picture.
"""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, islice
from typing import NamedTuple

from .. import formats
from ..errors import ClientError, some

# Names of columns, likeliest first: of several, the first counts.
_PATH_NAMES = (
    *("path", "filepath", "file_path", "image_path", "img_path", "filename", "file_name", "file", "image", "images"),
    *("img", "picture", "photo", "source-ref", "source_ref", "s3_uri", "uri", "url", "image_id", "image_name"),
    *("imageid", "id_code", "id", "name", "key"),
)
_LABEL_NAMES = (
    *("label", "labels", "label_name", "class", "class_name", "classname", "category", "category_name", "target"),
    *("tag", "tags", "type", "breed", "species"),
)
_LINE_ENDS = re.compile("\r\n|\r")
# Rows that are looked at before the columns are known.
_LOOKED_AT = 20


class Row(NamedTuple):
    """A row: its line from 1, the path and the label as they are written; the label may be empty."""

    line: int
    path: str
    label: str


class _Columns(NamedTuple):
    path: int
    label: int
    header: bool


Cells = tuple[int, list[str]]


def read(text: str, file: str, exists: Callable[[str], bool] = lambda _: False) -> Iterator[Row]:
    """Yield the rows of a CSV. `exists` says whether a path, as it is written, leads to a file.

    Raises ClientError if a row has no path, or if it is not clear where the labels are.
    """
    rows = _rows(text, file)
    first = list(islice(rows, _LOOKED_AT))
    if not first:
        return
    columns = _columns([cells for _, cells in first], file, exists)
    for line, cells in islice(chain(first, rows), int(columns.header), None):
        path, label = (cells[at] if at < len(cells) else "" for at in (columns.path, columns.label))
        if not path:
            why = f"It has no path in column {columns.path + 1}; each row must have a path and a label"
            raise ClientError(f"Line {line} of {file} is {', '.join(cells)!r}", why)
        yield Row(line, path, label)


def _rows(text: str, file: str) -> Iterator[Cells]:
    """Yield (line, cells) of each row that is not empty."""
    text = _LINE_ENDS.sub("\n", text)
    head = text.partition("\n")[0]
    delimiter = next((each for each in "\t;" if each in head), ",")
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, skipinitialspace=True)
    try:
        for cells in reader:
            stripped = [cell.strip() for cell in cells]
            if any(stripped):
                yield reader.line_num, stripped
    except csv.Error as error:
        do = "Save it as CSV again, with quotes around cells that hold the delimiter"
        raise ClientError(f"Line {reader.line_num} of {file} is not CSV", str(error).capitalize(), do) from error


def _columns(rows: Sequence[list[str]], file: str, exists: Callable[[str], bool]) -> _Columns:
    first, rest = rows[0], rows[1:]
    pictures = _picture_columns([first], exists)
    if pictures:
        # There is no header, even if a class is called `label`.
        return _Columns(pictures[0], _beside(pictures[0], len(first)), header=False)
    names = [cell.lower().replace(" ", "_") for cell in first]
    pictures = _picture_columns(rest, exists)
    path = _first_of(_PATH_NAMES, names, pictures or range(len(names)))
    label = _first_of(_LABEL_NAMES, names, [at for at in range(len(names)) if at != path])
    if not pictures and path is None and label is None:
        return _Columns(0, _beside(0, len(first)), header=False)
    if path is None:
        path = pictures[0] if pictures else int(label == 0)
    if label is None and len(names) > 2:
        why = f"Its columns are {some(first, most=20)}, and no name among them is known for labels"
        do = "Call that column label in the first line"
        raise ClientError(f"It is not clear which column of {file} has the labels", why, do)
    return _Columns(path, _beside(path, len(names)) if label is None else label, header=True)


def _picture_columns(rows: Sequence[list[str]], exists: Callable[[str], bool]) -> list[int]:
    """Return the columns of the first of these rows that has any cell which is a picture by its name, or is there."""
    found = ([at for at, cell in enumerate(row) if _looks_like_a_picture(cell) or exists(cell)] for row in rows)
    return next(filter(None, found), [])


def _first_of(known: Sequence[str], names: Sequence[str], among: Sequence[int]) -> int | None:
    """Return the column with the likeliest name, among some columns."""
    return next((at for name in known for at in among if names[at] == name), None)


def _looks_like_a_picture(cell: str) -> bool:
    return formats.suffix(cell.replace("\\", "/")) in formats.SUFFIXES.keys() | formats.UNREAD_SUFFIXES


def _beside(column: int, count: int) -> int:
    """Return the next column, or where there is none, the one before."""
    return column - 1 if column + 1 == count and column > 0 else column + 1
