"""The answer that a client wants: its content type, its options, and its exact bytes."""

import functools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header, parse_options_header

from ...arrays import Floats
from ...errors import BadRequest, ContainerError, NotAcceptable
from ...inference.answers import Result
from .bodies import Shape
from .content_types import JSON, JSON_LINES, JSON_LINES_TYPES

# JSON Lines has no official type: a client gets it under the name by which it asks.
_LINES = (JSON_LINES, *sorted(JSON_LINES_TYPES - {JSON_LINES}))
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
            why = "Valid are classes=true or false, top_k a whole number from 1, and threshold a number from 0 to 1"
            raise BadRequest(f"An option is wrong: {values}", why) from None
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
class AnswerFormat:
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

    def many(self, results: Iterable[Result], shape: Shape) -> str:
        """Return the answers to a body of several pictures, in order: a line each, or one JSON value."""
        if self.content_type != JSON:
            return "\n".join(self.one(result) for result in results)
        answers = f"[{', '.join(self.one(result) for result in results)}]"
        return answers if shape is Shape.LIST else f'{{"predictions": {answers}}}'

    def _chosen(self, probabilities: Floats) -> list[dict[str, object]]:
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
def negotiate(accept: str, attributes: str, batch_transform: bool, shape: Shape) -> AnswerFormat:
    """Return the format for an Accept header and Custom-Attributes (`classes=true,top_k=3`).

    The built-in's answers: a bare array in real time, `{"prediction": [...]}` in batch transform and as JSON Lines.
    Lines and records are answered in JSON Lines, a JSON list with a list, and TensorFlow Serving's instances with
    `{"predictions": [...]}`. Options come as parameters of the Accept's type, too.
    Raises NotAcceptable if the client takes no format that can be given, BadRequest for a wrong option.
    """
    given = _LINES if shape is Shape.LINES else (JSON, *_LINES)
    accepted: MIMEAccept = parse_accept_header(accept.lower(), MIMEAccept)
    plain = MIMEAccept([(parse_options_header(value)[0], quality) for value, quality in accepted])
    chosen = plain.best_match(given) if plain else given[0]
    if chosen is None and shape is Shape.LINES and plain.best_match([JSON]):
        # "application/json" of a client that sends many pictures can only mean a line of it for each.
        chosen = JSON_LINES
    if chosen is None:
        why = f"Answers are {JSON_LINES if shape is Shape.LINES else f'{JSON} or {JSON_LINES}'}"
        raise NotAcceptable(f"Accept is {accept[:100]!r}", why, "Ask for that, or for */*")
    options = Options().with_values(_pairs(attributes))
    for value, _ in accepted:
        kind, parameters = parse_options_header(value)
        if kind in (chosen, "*/*", "application/*"):
            options = options.with_values(parameters)
    bare = chosen == JSON and (not batch_transform or shape is Shape.INSTANCES)
    return AnswerFormat(chosen, bare, options)


def _pairs(attributes: str) -> dict[str, str]:
    parts = (part.partition("=") for part in attributes.replace(";", ",").split(","))
    return {name.strip().lower(): value.strip() for name, equals, value in parts if equals}
