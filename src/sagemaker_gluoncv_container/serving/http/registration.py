"""What `POST /models` asks for: the name of a model, and the directory in which it lies."""

import unicodedata

from ...errors import BadRequest
from . import embedded

# SageMaker's limit for a TargetModel.
NAME_CHARACTERS = 1024
# Linux's limits for a path and for each name in it.
_PATH_BYTES, _PATH_NAME_BYTES = 4095, 255
_DO = 'Send {"model_name": "<name>", "url": "<directory>"}'


def parse(body: bytes) -> tuple[str, str]:
    """Return name and directory. Raises BadRequest for anything that could not be a model's."""
    try:
        asked = embedded.read_json(body)
    except BadRequest as error:
        raise BadRequest("The body is not a JSON object with model_name and url", error.what, _DO) from None
    if not isinstance(asked, dict):
        raise BadRequest("The body is not a JSON object with model_name and url", do=_DO)
    name, url = (_text(asked, field) for field in ("model_name", "url"))
    if len(name) > NAME_CHARACTERS:
        raise BadRequest(f"The model_name has {len(name)} characters", f"It may have {NAME_CHARACTERS}", _DO)
    if len(path := url.encode()) > _PATH_BYTES or max(map(len, path.split(b"/"))) > _PATH_NAME_BYTES:
        why = f"A path may have {_PATH_BYTES} bytes, and each name in it {_PATH_NAME_BYTES}"
        raise BadRequest("The url is too long for a directory", why, _DO)
    return name, url


def _text(asked: dict[str, object], field: str) -> str:
    value = asked.get(field)
    if value is None or value == "":
        raise BadRequest(f"The request lacks {field}", do=_DO)
    if not isinstance(value, str):
        raise BadRequest(f"The {field} is not a text", do=_DO)
    # Controls would break the lines of logs, halves of surrogate pairs any encoding, /metrics included.
    bad = next((each for each in value if unicodedata.category(each) in ("Cc", "Cs", "Zl", "Zp")), None)
    if bad is not None:
        why = f"It holds the character U+{ord(bad):04X}, a control character or half of a surrogate pair"
        raise BadRequest(f"The {field} is not printable text", why, _DO)
    return value
