"""What lies in a model directory: the one place where training and serving meet.

    image-classification-NNNN.params     the weights after epoch NNNN, in MXNet's format
    image-classification-symbol.json     the net, from RGB 0-255 to probabilities; normalisation is inside
    model-shapes.json                    the input's name and shape, as AWS's MXNet images read it
    sagemaker-gluoncv.json               what a symbol cannot say: classes, preprocessing, figures of the epoch

The first three are the built-in algorithm's, under its names.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .errors import ClientError
from .images import Preprocessing

FORMAT_VERSION = 1
_PREFIX = "image-classification"
_SYMBOL = f"{_PREFIX}-symbol.json"
_SHAPES = "model-shapes.json"
_DESCRIPTION = "sagemaker-gluoncv.json"


@dataclass(frozen=True)
class Description:
    """What a symbol cannot say. `classes` are the names in the order of the outputs, empty if unknown."""

    epoch: int
    num_classes: int
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Artifact:
    """A model directory that can be served."""

    symbol: Path
    params: Path
    description: Description


def _params(epoch: int) -> str:
    return f"{_PREFIX}-{epoch:04d}.params"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that, whenever we are killed, either the old one or the new one is there, whole."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    write(unfinished)
    unfinished.replace(path)


def save(directory: Path, symbol: str, write_params: Callable[[Path], object], description: Description) -> None:
    """Write the artifact, in place of the one of an earlier epoch; the directory can be served at every moment.

    `symbol` is the net as MXNet's JSON; `write_params` writes the weights (`arg:` and `aux:` names) to a path.
    """
    directory.mkdir(parents=True, exist_ok=True)
    pre = description.preprocessing
    shapes = [{"name": "data", "shape": [1, 3, pre.height, pre.width]}]
    content = {"format_version": FORMAT_VERSION, **asdict(description)}
    _write(directory / _SYMBOL, lambda path: path.write_text(symbol))
    _write(directory / _SHAPES, lambda path: path.write_text(json.dumps(shapes)))
    params = directory / _params(description.epoch)
    _write(params, write_params)
    _write(directory / _DESCRIPTION, lambda path: path.write_text(json.dumps(content, indent=2)))
    for other in directory.glob(f"{_PREFIX}-*.params"):
        if other != params:
            other.unlink()


def load(directory: Path) -> Artifact:
    """Return what lies in a model directory. Raises ClientError that lists what was found and what was expected."""
    description_path, symbol = directory / _DESCRIPTION, directory / _SYMBOL
    description = _read(description_path) if description_path.is_file() else None
    # The description is written after its weights: of two epochs' weights it names those that are whole.
    params = directory / _params(description.epoch) if description else None
    if description is None or params is None or not (symbol.is_file() and params.is_file()):
        found = ", ".join(sorted(path.name for path in directory.glob("*"))) or "nothing"
        expected = f"{params.name if params else f'{_PREFIX}-NNNN.params'}, {_SYMBOL} and {_DESCRIPTION}"
        raise ClientError(
            f"{directory} holds no model", f"found: {found}; expected: {expected}", "Give a model made by `train`"
        )
    return Artifact(symbol, params, description)


def _read(path: Path) -> Description:
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        version = content.pop("format_version")
        if version != FORMAT_VERSION:
            why = f"its format_version is {version}, this image reads {FORMAT_VERSION}"
            raise ClientError(f"{path} cannot be read", why, "Serve it with the image that made it")
        content["preprocessing"] = Preprocessing(**content["preprocessing"])
        content["classes"] = tuple(content["classes"])
        return Description(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClientError(f"{path} is damaged", repr(error), "Give a model made by `train`") from error
