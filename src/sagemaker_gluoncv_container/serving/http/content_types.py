"""The content types of requests: which are taken, under which names, and what the message says about any other."""

import functools

from werkzeug.http import parse_options_header

from ... import formats
from ...data import recordio
from ...errors import UnsupportedContent

RECORDIO, JSON_LINES, JSON, BYTES, TEXT, FORM = (
    "application/x-recordio",
    "application/jsonlines",
    "application/json",
    "application/octet-stream",
    "text/plain",
    "multipart/form-data",
)
TYPES = (*formats.CONTENT_TYPES, RECORDIO, JSON_LINES, JSON, BYTES, TEXT, FORM)
# JSON Lines has no official type; these are in use.
JSON_LINES_TYPES = frozenset(
    f"application/{name}"
    for name in ("jsonlines", "x-jsonlines", "json-lines", "x-json-lines", "jsonl", "x-jsonl", "ndjson", "x-ndjson")
)
# S3's default, and what the SageMaker SDK's ModelBuilder sends with bytes.
_BYTES_TYPES = frozenset({BYTES, "binary/octet-stream", "application/binary", "file-path/raw-bytes"})
_BOM = b"\xef\xbb\xbf"


@functools.lru_cache(maxsize=256)
def parse(header: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the kind of body that a Content-Type stands for, "" if it is not taken, and its parameters.

    A kind is one of the names above; all types of pictures are one kind.
    """
    given, parameters = parse_options_header(header)
    given = given.lower()
    if given in formats.ALL_CONTENT_TYPES or (given.startswith("image/") and len(given) > len("image/")):
        # Whatever a picture calls itself: its bytes say what it is.
        kind = formats.ANY_PICTURE
    elif given in JSON_LINES_TYPES:
        kind = JSON_LINES
    elif given in _BYTES_TYPES:
        kind = BYTES
    else:
        kind = given if given in (RECORDIO, JSON, TEXT, FORM) else ""
    return kind, tuple(parameters.items())


def unsupported(header: str, head: bytes) -> UnsupportedContent:
    """Return the error for a Content-Type that is not taken, with the command for what the body looks like."""
    what = f"Content-Type is {header[:100]!r}" if header.strip() else "There is no Content-Type"
    why = f"This endpoint takes {', '.join(TYPES)}"
    file, kind = "picture.jpg", formats.ANY_PICTURE
    if known := formats.recognized(head):
        why += f"; the body is a {known.name} picture"
    elif head.startswith(recordio.MAGIC_BYTES):
        file, kind = "pictures.rec", RECORDIO
    elif is_json(head):
        file, kind = "picture.json", JSON
    return UnsupportedContent(what, why, f'Send it with: curl --data-binary @{file} -H "Content-Type: {kind}" URL')


def is_json(head: bytes, starts: tuple[bytes, ...] = (b"{", b"[")) -> bool:
    """Return whether text begins as JSON objects and lists do."""
    return head.removeprefix(_BOM).lstrip().startswith(starts)
