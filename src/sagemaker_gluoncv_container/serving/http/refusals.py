"""The answers to what is not a request that the app could see: JSON, with the right status, as the app's own errors."""

import json
from http import HTTPStatus

from gunicorn.http import errors as http
from werkzeug.exceptions import HTTPException

from ...errors import InvocationError, Overloaded, sentences
from .connection import TooSlow

# Of gunicorn's errors: the status, and what is wrong with the request.
_ERRORS: dict[type[Exception], tuple[int, str, str]] = {
    http.LimitRequestLine: (414, "The request line is too long", "Send a shorter path"),
    http.LimitRequestHeaders: (431, "The headers are too many or too long", "Send fewer or shorter headers"),
    http.ExpectationFailed: (417, "The Expect header is not one that is known", "Send 100-continue or none"),
    http.UnsupportedTransferCoding: (501, "The Transfer-Encoding is not one that is known", "Send chunked or none"),
    http.InvalidRequestLine: (400, "The request line is not HTTP", ""),
    http.InvalidRequestMethod: (400, "The request's method is not valid", ""),
    http.InvalidHTTPVersion: (505, "The HTTP version is not one that is spoken here", "Use HTTP/1.1"),
    http.InvalidChunkSize: (400, "A chunk of the body has no valid size", "Send its length in hexadecimal digits"),
    http.ChunkMissingTerminator: (400, "A chunk of the body does not end where it should", ""),
    http.InvalidChunkExtension: (400, "A chunk of the body has an invalid extension", ""),
    http.ObsoleteFolding: (400, "A header goes over several lines", "Send each on one line"),
    http.InvalidHeaderName: (400, "A header's name is not valid", ""),
    http.InvalidHeader: (400, "A header is not valid, or stands there twice", ""),
    http.InvalidSchemeHeaders: (400, "The headers contradict each other", ""),
    http.ForbiddenProxyRequest: (403, "This is not a proxy", ""),
    http.NoMoreData: (400, "The body ended too early", ""),
    TooSlow: (408, "", "Send faster, or ask for less"),
}
# How much of a request goes into a message: header names and chunk sizes are the client's own text.
_SHOWN = 80


def of(error: Exception) -> tuple[int, str] | None:
    """Return the status and the message for an error; None if it is nobody's fault but ours."""
    if isinstance(error, InvocationError):
        return error.status, str(error)
    if isinstance(error, HTTPException):
        return error.code or 500, error.description or ""
    for kind in type(error).__mro__:
        if kind in _ERRORS:
            status, what, do = _ERRORS[kind]
            return status, sentences(what or str(error), _detail(error), do)
    if isinstance(error, http.ParseException):
        return 400, "The request is not valid HTTP."
    return None


def _detail(error: Exception) -> str:
    found = getattr(error, "hdr", None) or getattr(error, "data", None)
    if not found:
        return ""
    text = ascii(found)
    return f"It is {text if len(text) <= _SHOWN else text[:_SHOWN] + '...'}"


def response(status: int, message: str, retry: bool) -> bytes:
    """Return the whole answer, after which the connection ends."""
    body = json.dumps({"error": message}).encode()
    lines = [
        f"HTTP/1.1 {status} {HTTPStatus(status).phrase}",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *(["Retry-After: 1"] if retry else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


def wants_retry(error: Exception) -> bool:
    """Return whether the client is to be told when to ask again."""
    return isinstance(error, Overloaded)
