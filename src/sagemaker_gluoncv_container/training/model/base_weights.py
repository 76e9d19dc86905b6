"""The base weights in the image: which file a net starts from, found without MXNet."""

import hashlib
from pathlib import Path

from ...errors import ClientError, some


def name(num_layers: int) -> str:
    """Return what GluonCV calls the net of so many layers, and the file of its weights."""
    return f"resnet{num_layers}_v1b"


def find(directory: Path, name: str) -> Path:
    """Return the file of base weights of a net: `<name>.params` or, checked, `<name>-<first 8 of its sha1>.params`.

    Raises ClientError if there is none, or if the file's sha1 is not the one in its name.
    """
    found = sorted([*directory.glob(f"{name}-*.params"), *directory.glob(f"{name}.params")])
    if not found:
        raise ClientError(
            f"Hyperparameter use_pretrained_model is 1, but this image holds no base weights of {name}",
            f"Found in {directory}: {some(sorted(path.name for path in directory.glob('*.params')))}",
            f"Put {name}-*.params into pretrained/ and build the image again, or set use_pretrained_model to 0",
        )
    path = found[-1]
    digest = path.stem.removeprefix(name).lstrip("-")
    if digest and not hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest().startswith(digest):
        raise ClientError(f"{path} is damaged", f"Its sha1 does not begin with {digest}", "Download the file again")
    return path
