"""Bodies in and out: which content types are taken, which are given, and their exact bytes."""

import json
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from werkzeug.datastructures import MIMEAccept

from .. import images
from ..errors import EmptyRequest, NotAcceptable, UnsupportedContent

PICTURE_TYPES = ("application/x-image", "image/jpeg", "image/png")
JSON, JSON_LINES = "application/json", "application/jsonlines"
Encoder = Callable[[NDArray[np.float32]], str]


def negotiate(accept: MIMEAccept, batch_transform: bool) -> tuple[str, Encoder]:
    """Return the content type and the encoder for an Accept header.

    The built-in's answers: a bare array in real time, `{"prediction": [...]}` in batch transform and as JSON Lines.
    Raises NotAcceptable if the client takes neither JSON nor JSON Lines.
    """
    chosen = accept.best_match([JSON, JSON_LINES]) if accept else JSON
    if chosen is None:
        raise NotAcceptable(f"Accept is {accept}", f"answers are {JSON} or {JSON_LINES}", "Ask for one of these")
    return chosen, _prediction if batch_transform or chosen == JSON_LINES else _array


def check_type(mimetype: str) -> None:
    """Raise UnsupportedContent if the content type is not a picture's; `mimetype` is without its parameters."""
    if mimetype not in PICTURE_TYPES:
        what = f"Content-Type is {mimetype}" if mimetype else "there is no Content-Type"
        raise UnsupportedContent(what, f"this endpoint takes {', '.join(PICTURE_TYPES)}", "Send one picture a request")


def decode(body: bytes) -> Image.Image:
    """Return the picture in a request's body. Raises EmptyRequest or UnreadablePicture."""
    if not body:
        raise EmptyRequest("the request has no body", do="Send the bytes of one picture")
    return images.decode(body)


def _array(probabilities: NDArray[np.float32]) -> str:
    return json.dumps(probabilities.tolist())


def _prediction(probabilities: NDArray[np.float32]) -> str:
    return json.dumps({"prediction": probabilities.tolist()})
