"""Pictures that are written as text: base64, data URIs, and the JSON objects in which clients send them."""

import base64
import binascii
import json
import re
from typing import Any
from urllib.parse import unquote_to_bytes

from ...errors import BadRequest, UnsupportedContent

# The keys under which a JSON object holds a picture. `b64` is TensorFlow Serving's; the first is ours.
KEYS = ("image", "b64", "data", "inputs")
EXAMPLE = '{"image": "<base64 of a picture file>"}'
# The URL-safe alphabet of RFC 4648, as the usual one.
_USUAL = bytes.maketrans(b"-_", b"+/")
_SPACE = b" \t\r\n"
_ADDRESSES = (b"http:", b"https:", b"s3:", b"file:")
_BEGINNING = re.compile(rb"[\s\"]*(data:[\x20-\x7e\s]*|[A-Za-z0-9+/_\-=\s\"]+)", re.IGNORECASE)


def looks_like_text(head: bytes) -> bool:
    """Return whether a body that begins so may be base64 or a data URI."""
    return bool(_BEGINNING.fullmatch(head))


def decode(text: str | bytes) -> bytes:
    """Return the bytes in base64 or a data URI (RFC 2397).

    The alphabet may be the URL-safe one. Lines may be wrapped, the padding may be missing, and quotes may stand around
    the text. Raises BadRequest.
    """
    try:
        data = (text.encode("ascii") if isinstance(text, str) else text).strip(_SPACE + b'"')
    except UnicodeEncodeError:
        raise BadRequest(
            "The picture is not base64", "It holds characters that are not ASCII", f"Send {EXAMPLE}"
        ) from None
    if data[:5].lower() == b"data:":
        head, comma, data = data.partition(b",")
        if not comma:
            raise BadRequest("The data URI holds no data", "It has no comma", "Send data:image/jpeg;base64,<base64>")
        if not head.lower().endswith(b";base64"):
            return _some(unquote_to_bytes(data))
        if b"%" in data:
            data = unquote_to_bytes(data)
    data = data.translate(_USUAL, _SPACE).rstrip(b"=")
    try:
        return _some(base64.b64decode(data + b"=" * (-len(data) % 4), validate=True))
    except binascii.Error:
        raise BadRequest("The picture is not base64", _reason(data), f"Send {EXAMPLE}") from None


def _some(data: bytes) -> bytes:
    if not data:
        raise BadRequest("The picture is empty", do=f"Send {EXAMPLE}")
    return data


def _reason(data: bytes) -> str:
    if data.startswith(_ADDRESSES):
        return "It is the address of a picture, which this endpoint does not fetch"
    strange = re.search(rb"[^A-Za-z0-9+/]", data)
    if strange:
        return f"It holds {chr(strange[0][0])!r}, which is not in the alphabet of RFC 4648"
    return f"It has {len(data)} characters, one too many or some too few"


def read_json(text: bytes) -> Any:
    """Return the value that JSON text holds. Raises BadRequest."""
    try:
        return json.loads(text)
    except RecursionError:
        raise BadRequest("The JSON is nested too deeply", do=f"Send {EXAMPLE}") from None
    except ValueError as error:
        raise BadRequest("The text is not JSON", _cut(str(error)), f"Send {EXAMPLE}") from None


def _cut(text: str) -> str:
    """Keep what a parser says short: it may quote what it was given."""
    return text if len(text) <= 200 else f"{text[:200]}..."


def in_json(value: Any) -> bytes:
    """Return the picture in a JSON value: base64, or an object with base64 under one of KEYS.

    Raises BadRequest if what should be a picture is not, UnsupportedContent if it does not say where the picture is.
    """
    if isinstance(value, str):
        return decode(value)
    if isinstance(value, dict):
        for key in KEYS:
            if key in value:
                inner = value[key]
                if isinstance(inner, dict) and key == KEYS[0]:
                    return in_json(inner)
                if isinstance(inner, str):
                    return decode(inner)
                why = f"Under {key!r} it has {_named(inner)}, not base64 text"
                raise BadRequest("The JSON holds no picture", why, f"Send {EXAMPLE}")
        why = f"A picture is base64 text under one of the keys {', '.join(KEYS)}"
        raise UnsupportedContent("The JSON object holds no picture", why, f"Send {EXAMPLE}")
    raise UnsupportedContent(
        f"The JSON holds {_named(value)}, not a picture", "A picture is base64 text", f"Send {EXAMPLE}"
    )


def _named(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
