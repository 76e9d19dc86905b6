"""The names of the classes that lie beside a channel's pictures: `classes.json`, a list in the order of the labels."""

import json
from pathlib import Path

from ..errors import ClientError

CLASSES_FILE = "classes.json"


def read(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder's `classes.json`, none without such a file.

    Raises ClientError if it is not a list of names.
    """
    path = folder / CLASSES_FILE
    if not path.is_file():
        return ()
    try:
        names = json.loads(path.read_text())
    except ValueError as error:
        raise ClientError(f"{path} is not JSON", str(error), "Write it again, as UTF-8") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        why = 'It must be like ["bird", "car"], in the order of the labels'
        raise ClientError(f"{path} is not a list of names", why)
    return tuple(names)
