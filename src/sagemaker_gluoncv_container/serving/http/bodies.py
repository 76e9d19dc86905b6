"""What a request's body holds: its kind, whether it is one picture or several, and the pictures."""

import io
from collections.abc import Iterator
from enum import Enum
from typing import IO, Any, NamedTuple

from werkzeug.exceptions import HTTPException
from werkzeug.formparser import MultiPartParser

from ... import formats
from ...data import recordio
from ...errors import BadRequest, ClientError, ContainerError, UnreadablePicture
from . import content_types, embedded
from .content_types import BYTES, FORM, JSON, JSON_LINES, RECORDIO, TEXT, is_json

_BOM = b"\xef\xbb\xbf"
_PARTS_MOST = 1000

# A picture as it came, or why there is none.
Item = bytes | ContainerError


class Shape(Enum):
    """How a body holds its pictures, and so how they are answered."""

    ONE = "one picture"
    LINES = "a line or a record for each"
    LIST = "a JSON list"
    INSTANCES = "TensorFlow Serving's instances"


class Body(NamedTuple):
    """A body that was looked at: its kind, its shape, and its encoded pictures in order.

    The pictures can be gone through once. One whose wrapping is damaged is an error in its place.
    """

    kind: str
    shape: Shape
    pictures: Iterator[Item]


def parse_body(header: str, body: bytes) -> Body:
    """Return what a body holds, by its Content-Type and, where that leaves it open, by its first bytes.

    Raises UnsupportedContent for another type or JSON of unknown form, BadRequest for an empty or damaged body.
    """
    kind, parameters = content_types.parse(header)
    if not kind:
        raise content_types.unsupported(header, body[: formats.HEAD_BYTES])
    if not body:
        raise BadRequest("The request has no body", do="Send the bytes of one picture")
    if kind == RECORDIO:
        return _records(body)
    if kind == JSON_LINES:
        return _lines(body)
    if kind == JSON:
        return _json(body)
    if kind == FORM:
        return _form(body, dict(parameters).get("boundary", ""))
    return _plain(kind, body)


def _plain(kind: str, body: bytes) -> Body:
    """Return a body that is one picture, as its bytes or as text; bytes of any kind may be something else, too."""
    head = body[: formats.HEAD_BYTES]
    # Nearly every request ends with the first question: it is the cheapest.
    if (kind == formats.ANY_PICTURE and not head.isascii()) or formats.recognized(head):
        return _one(kind, body)
    if kind == BYTES:
        if body.startswith(recordio.MAGIC_BYTES):
            return _records(body)
        if is_json(head, (b"{",)):
            return _lines(body)
    if kind == TEXT:
        # A browser's fetch() calls any text so.
        return _json(body) if is_json(head) else _one(kind, embedded.decode(body))
    return _one(kind, _decoded(body) if embedded.looks_like_text(head) else body)


def _decoded(body: bytes) -> bytes:
    """Return the picture in base64; the body itself if it is not base64 of something that is known."""
    try:
        data = embedded.decode(body)
    except BadRequest:
        return body
    head = data[: formats.HEAD_BYTES]
    return data if formats.recognized(head) or formats.other_kind(head) else body


def _one(kind: str, picture: Item) -> Body:
    return Body(kind, Shape.ONE, iter((picture,)))


def _records(body: bytes) -> Body:
    """Return framed records, or the one without framing that batch transform sends as SingleRecord."""
    if body.startswith(recordio.MAGIC_BYTES):
        return Body(RECORDIO, Shape.LINES, _framed(body))
    return _one(RECORDIO, _record(body))


def _framed(body: bytes) -> Iterator[Item]:
    try:
        yield from map(_record, recordio.payloads(body))
    except ValueError as error:
        yield UnreadablePicture("The RecordIO body is damaged", f"It is {error}; the records before that are answered")


def _record(payload: bytes) -> Item:
    try:
        return recordio.unpack(payload).data
    except ClientError as error:
        return UnreadablePicture(error.what, error.why)


def _lines(body: bytes) -> Body:
    # Without a copy of the body, and of its lines only those that are wanted.
    lines = (line for part in io.BytesIO(body.removeprefix(_BOM)) for line in part.splitlines() if line.strip())
    return Body(JSON_LINES, Shape.LINES, map(_line, lines))


def _line(line: bytes) -> Item:
    try:
        return embedded.in_json(embedded.read_json(line))
    except ContainerError as error:
        return BadRequest("A line holds no picture", str(error))


def _json(body: bytes) -> Body:
    """Return the pictures of one JSON value: an object, base64, a list of these, or {"instances": [...]}."""
    try:
        value = embedded.read_json(body)
    except BadRequest:
        if _is_json_lines(body):
            return _lines(body)
        raise
    if isinstance(value, list):
        return Body(JSON, Shape.LIST, _each(value))
    if isinstance(value, dict) and isinstance(value.get("instances"), list):
        return Body(JSON, Shape.INSTANCES, _each(value["instances"]))
    return _one(JSON, embedded.in_json(value))


def _is_json_lines(body: bytes) -> bool:
    """Return whether text that is not JSON is JSON in its first line: several lines of it under JSON's own type."""
    first, newline, rest = body.strip().partition(b"\n")
    try:
        return bool(newline and rest and isinstance(embedded.read_json(first), dict))
    except BadRequest:
        return False


def _each(values: list[Any]) -> Iterator[Item]:
    if not values:
        raise BadRequest("The JSON list holds no pictures", do=f"Send [{embedded.EXAMPLE}]")
    return map(_value, values)


def _value(value: Any) -> Item:
    try:
        return embedded.in_json(value)
    except ContainerError as error:
        return error


def _in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> IO[bytes]:
    # werkzeug would write a large file to the disk, which may be read-only.
    return io.BytesIO()


def _form(body: bytes, boundary: str) -> Body:
    """Return the one file of a form, by its own type if that is taken; several files are answered as lines are."""
    try:
        parser = MultiPartParser(_in_memory, max_form_parts=_PARTS_MOST)
        fields, files = parser.parse(io.BytesIO(body), boundary.encode(), len(body))
    except (ValueError, HTTPException) as error:
        reason = getattr(error, "description", None) or str(error)
        raise BadRequest("The form cannot be read", reason, "Send it with: curl -F image=@picture.jpg URL") from None
    sent = [(file.content_type or "", file.stream.read()) for _, file in files.items(multi=True)]
    # A browser sends a field for a file that was not chosen, empty.
    sent = [(kind, data) for kind, data in sent if data]
    if len(sent) == 1:
        ((kind, data),) = sent
        return parse_body(kind if content_types.parse(kind)[0] not in ("", FORM) else BYTES, data)
    if sent:
        return Body(FORM, Shape.LINES, iter([data for _, data in sent]))
    for key in embedded.KEYS:
        if key in fields:
            return _one(FORM, embedded.decode(fields[key]))
    raise BadRequest("The form holds no file", do="Send it with: curl -F image=@picture.jpg URL")
