"""Bodies in and out: which content types are taken, which are given, and their exact bytes."""

import base64
import binascii
import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from ... import formats
from ...data import recordio
from ...errors import BadRequest, ClientError, ContainerError, NotAcceptable, UnreadablePicture, UnsupportedContent
from ...inference.answers import Result

RECORDIO, JSON_LINES, JSON, BYTES = (
    "application/x-recordio",
    "application/jsonlines",
    "application/json",
    "application/octet-stream",
)
INPUT_TYPES = (*formats.CONTENT_TYPES, RECORDIO, JSON_LINES, BYTES)
_OPTIONS = ("classes", "top_k", "threshold")


@dataclass(frozen=True)
class Options:
    """What a client asked of the answer beyond the built-in's bare probabilities."""

    classes: bool = False
    top_k: int | None = None
    threshold: float | None = None

    def with_values(self, given: Mapping[str, str]) -> "Options":
        """Return the options with those that are given as text. Raises BadRequest."""
        try:
            changes: dict[str, Any] = {name: _option(name, given[name]) for name in _OPTIONS if name in given}
        except ValueError:
            values = ", ".join(f"{name}={given[name]}" for name in _OPTIONS if name in given)
            why = "classes is true or false, top_k a whole number from 1, threshold a number from 0 to 1"
            raise BadRequest(f"asked for {values}", why) from None
        return replace(self, **changes)


def _option(name: str, text: str) -> bool | int | float:
    value: bool | int | float
    if name == "classes":
        value, good = text.lower() == "true", text.lower() in ("true", "false")
    elif name == "top_k":
        value = int(text)
        good = value >= 1
    else:
        value = float(text)
        good = 0 <= value <= 1
    if not good:
        raise ValueError
    return value


@dataclass(frozen=True)
class Format:
    """How an answer is written: the content type, and the shape of one picture's answer."""

    content_type: str
    bare: bool
    options: Options
    classes: tuple[str, ...] = ()

    def one(self, result: Result) -> str:
        """Return the answer for one picture; an error becomes `{"error": ...}`."""
        if isinstance(result, ContainerError):
            return json.dumps({"error": str(result)})
        answer = result.tolist() if self.options == Options() else self._chosen(result)
        return json.dumps(answer if self.bare else {"prediction": answer})

    def many(self, results: Iterable[Result]) -> str:
        """Return the answers for pictures that came in one request: JSON Lines, in order."""
        lines = replace(self, bare=False)
        return "\n".join(lines.one(result) for result in results)

    def _chosen(self, probabilities: NDArray[np.float32]) -> list[dict[str, object]]:
        order = np.argsort(-probabilities, kind="stable")[: self.options.top_k]
        least = self.options.threshold or 0
        names = self.classes if self.options.classes else ()
        return [
            {
                "label": int(label),
                **({"class": names[label] if label < len(names) else str(label)} if self.options.classes else {}),
                "probability": float(probabilities[label]),
            }
            for label in order
            if probabilities[label] >= least
        ]


# Clients ask in a few ways, thousands of times.
@functools.lru_cache(maxsize=256)
def negotiate(accept: str, attributes: str, batch_transform: bool, many: bool) -> Format:
    """Return the format for an Accept header and Custom-Attributes (`classes=true,top_k=3`).

    The built-in's answers: a bare array in real time, `{"prediction": [...]}` in batch transform and as JSON Lines. A
    request of many pictures is answered in JSON Lines. Options come as parameters of the Accept's type, too.
    Raises NotAcceptable if the client takes no format that can be given, BadRequest for a wrong option.
    """
    given = [JSON_LINES] if many else [JSON, JSON_LINES]
    accepted: MIMEAccept = parse_accept_header(accept.lower(), MIMEAccept)
    plain = MIMEAccept([(parse_options_header(value)[0], quality) for value, quality in accepted])
    chosen = plain.best_match(given) if plain else given[0]
    if chosen is None and many and plain.best_match([JSON]):
        # "application/json" of a client that sends many pictures can only mean a line of it for each.
        chosen = JSON_LINES
    if chosen is None:
        raise NotAcceptable(f"Accept is {accept}", f"answers are {' or '.join(given)}", "Ask for one of these")
    options = Options().with_values(_pairs(attributes))
    for value, _ in accepted:
        kind, parameters = parse_options_header(value)
        if kind in (chosen, "*/*", "application/*"):
            options = options.with_values(parameters)
    return Format(chosen, bare=not batch_transform and chosen == JSON, options=options)


def _pairs(attributes: str) -> dict[str, str]:
    parts = (part.partition("=") for part in attributes.replace(";", ",").split(","))
    return {name.strip().lower(): value.strip() for name, equals, value in parts if equals}


def content_type(header: str, body_start: bytes) -> str:
    """Return the type of a body; application/octet-stream is told by its first bytes. Raises UnsupportedContent."""
    kind = _kind(header)
    if kind not in INPUT_TYPES:
        what = f"Content-Type is {kind}" if kind else "there is no Content-Type"
        raise UnsupportedContent(what, f"this endpoint takes {', '.join(INPUT_TYPES)}", "Say what the body is")
    if kind != BYTES:
        return kind
    if body_start.startswith(recordio.MAGIC_BYTES):
        return RECORDIO
    return JSON_LINES if body_start.lstrip().startswith(b"{") else formats.ANY_PICTURE


@functools.lru_cache(maxsize=256)
def _kind(header: str) -> str:
    return parse_options_header(header)[0].lower()


def is_many(kind: str, body_start: bytes) -> bool:
    """Say whether a body of that type can hold several pictures: then it is answered in JSON Lines."""
    return kind == JSON_LINES or (kind == RECORDIO and body_start.startswith(recordio.MAGIC_BYTES))


def pictures(kind: str, body: bytes) -> Iterator[bytes | ContainerError]:
    """Yield the encoded pictures in a body, in order; one whose wrapping is bad is an error in its place.

    A RecordIO body without framing is the one record that batch transform sends as SingleRecord.
    """
    if kind == JSON_LINES:
        yield from (_from_json(line) for line in body.splitlines() if line.strip())
    elif kind == RECORDIO and body.startswith(recordio.MAGIC_BYTES):
        yield from _from_records(body)
    elif kind == RECORDIO:
        yield _from_record(body)
    else:
        yield body


def _from_records(body: bytes) -> Iterator[bytes | ContainerError]:
    try:
        yield from map(_from_record, recordio.payloads(body))
    except ValueError as error:
        yield UnreadablePicture("the RecordIO body is damaged", f"{error}; records before it are answered")


def _from_record(payload: bytes) -> bytes | ContainerError:
    try:
        return recordio.unpack(payload).data
    except ClientError as error:
        return UnreadablePicture(error.what, error.why)


def _from_json(line: bytes) -> bytes | ContainerError:
    try:
        return base64.b64decode(json.loads(line)["image"], validate=True)
    except (ValueError, TypeError, KeyError, binascii.Error) as error:
        why = f"{type(error).__name__}: {error}"
        return BadRequest("a line holds no picture", why, 'Send {"image": "<base64 of a picture file>"}')
