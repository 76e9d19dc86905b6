"""What lies in a model directory: the one place where training and serving meet.

    image-classification-NNNN.params     the weights after epoch NNNN, in MXNet's format
    image-classification-symbol.json     the net, from RGB 0-255 to probabilities; normalisation is inside
    model-shapes.json                    the input's name and shape, as AWS's MXNet images read it
    sagemaker-gluoncv.json               what a symbol cannot say: classes, preprocessing, figures of the epoch
    image-classification-int8.json       how the net is computed in int8, and what accuracy that costs

The first three are the built-in algorithm's, under its names. AWS's MXNet images call them model-0000.params,
model-symbol.json and model-shapes.json.
"""

import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from .errors import ClientError
from .images import Preprocessing

FORMAT_VERSION = 1
# Version 1 was judged with weights of 8 bits, and today's net has other weights.
QUANTIZATION_VERSION = 2
_PREFIX = "image-classification"
_MXNET_PREFIX = "model"
_SYMBOL = f"{_PREFIX}-symbol.json"
_SHAPES = "model-shapes.json"
_DESCRIPTION = "sagemaker-gluoncv.json"
_QUANTIZATION = f"{_PREFIX}-int8.json"
FLOAT32, INT8 = "float32", "int8"


@dataclass(frozen=True)
class Description:
    """What a symbol cannot say. `classes` are the names in the order of the outputs, empty if unknown."""

    epoch: int
    num_classes: int | None
    preprocessing: Preprocessing
    classes: tuple[str, ...] = ()
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Quantization:
    """How a net is computed in int8, and how that compares with float32 on the validation pictures.

    `ranges` are, by the names of layers, the least and the greatest value that their 8 bits stand for. Accuracies and
    the agreement are shares of `pictures`. `refused` says why int8 is not to be used, None if it may be.
    """

    params: str
    ranges: dict[str, tuple[float, float]]
    pictures: int
    accuracy_float32: float
    accuracy_int8: float
    agreement: float
    refused: str | None = None

    def __str__(self) -> str:
        return (
            f"accuracy {self.accuracy_int8:.4f} (float32: {self.accuracy_float32:.4f}), the same answer for "
            f"{self.agreement:.2%} of {self.pictures} validation pictures"
        )


@dataclass(frozen=True)
class Artifact:
    """A model directory that can be served. `quantization` is None if its weights were never calibrated for int8."""

    symbol: Path
    params: Path
    description: Description
    quantization: Quantization | None = None


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that the old one or the new one is there, whole, whenever the job is killed."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    write(unfinished)
    unfinished.replace(path)


def _shapes(height: int, width: int) -> list[dict[str, Any]]:
    return [{"name": "data", "shape": [1, 3, height, width]}]


def save(
    directory: Path,
    symbol: str,
    write_params: Callable[[Path], object],
    description: Description,
    beside: Collection[int] = (),
) -> None:
    """Write the artifact in place of an earlier epoch's. The directory can be served at every moment.

    `symbol` is the net as MXNet's JSON; `write_params` writes the weights (`arg:` and `aux:` names) to a path.
    The weights of the epochs `beside` it are kept.
    """
    directory.mkdir(parents=True, exist_ok=True)
    # The int8 file there is about other weights.
    if (directory / _QUANTIZATION).exists():
        (directory / _QUANTIZATION).unlink()
    pre = description.preprocessing
    content = {"format_version": FORMAT_VERSION, **asdict(description)}
    save_weights(directory, description.epoch, write_params)
    # After the weights: while two epochs' weights are there, the description names the whole ones.
    _write(directory / _DESCRIPTION, lambda path: path.write_text(json.dumps(content, indent=2)))
    _write(directory / _SHAPES, lambda path: path.write_text(json.dumps(_shapes(pre.height, pre.width))))
    # Last: without a symbol there is no model, so a model of ours always has its description.
    _write(directory / _SYMBOL, lambda path: path.write_text(symbol))
    needed = {_params(directory, epoch) for epoch in (description.epoch, *beside)}
    for other in directory.glob(f"{_PREFIX}-*.params"):
        if other not in needed:
            other.unlink()


def save_weights(directory: Path, epoch: int, write_params: Callable[[Path], object]) -> None:
    """Write the weights of one more epoch into a model directory. What is served does not change."""
    _write(_params(directory, epoch), write_params)


def save_quantization(directory: Path, quantization: Quantization) -> None:
    """Write beside the weights how the net is computed in int8, or why it must not be."""
    content = {"format_version": QUANTIZATION_VERSION, **asdict(quantization)}
    _write(directory / _QUANTIZATION, lambda path: path.write_text(json.dumps(content, indent=2)))


def _quantization(directory: Path, params: Path) -> Quantization | None:
    """Return what is known of int8 for these weights, None if nothing is."""
    path = directory / _QUANTIZATION
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        if content.pop("format_version") != QUANTIZATION_VERSION or content["params"] != params.name:
            return None
        content["ranges"] = {name: (float(low), float(high)) for name, (low, high) in content["ranges"].items()}
        return Quantization(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        do = f"Remove it, and run `sagemaker-gluoncv quantize {directory}` again"
        raise ClientError(f"{path} is damaged", repr(error), do) from error


def _params(directory: Path, epoch: int) -> Path:
    return directory / f"{_PREFIX}-{epoch:04d}.params"


def load(directory: Path, override: Mapping[str, Any] | None = None) -> Artifact:
    """Return what lies in a model directory: ours, the built-in algorithm's, or that of AWS's MXNet images.

    `override` replaces fields of the preprocessing. AWS has not published what the built-in does to a picture. The
    best evidence is AWS's Neo handler for it, which squashes the picture to the input's shape and feeds RGB 0-255. So
    foreign artifacts get that. Raises ClientError that lists what was found and what was expected.
    """
    for prefix in (_PREFIX, _MXNET_PREFIX):
        symbol = directory / f"{prefix}-symbol.json"
        weights = {_epoch(path): path for path in directory.glob(f"{prefix}-*.params")}
        if symbol.is_file() and weights:
            description = _description(directory, max(weights))
            changed = _overridden(description.preprocessing, override or {})
            if params := weights.get(description.epoch):
                quantization = _quantization(directory, params)
                return Artifact(symbol, params, replace(description, preprocessing=changed), quantization)
    found = ", ".join(sorted(path.name for path in directory.glob("*"))) or "nothing"
    pairs = " or ".join(f"{prefix}-symbol.json with {prefix}-NNNN.params" for prefix in (_PREFIX, _MXNET_PREFIX))
    expected = f"{pairs} (of the epoch in {_DESCRIPTION}, if that is there)"
    raise ClientError(
        f"{directory} holds no model", f"Found: {found}. Expected: {expected}", "Give a model made by a training job"
    )


def _epoch(params: Path) -> int:
    digits = params.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else -1


def _description(directory: Path, last_epoch: int) -> Description:
    """Return what our file says. Of a foreign artifact the last epoch is served."""
    path = directory / _DESCRIPTION
    if not path.is_file():
        return Description(last_epoch, None, _foreign_preprocessing(directory / _SHAPES))
    try:
        content: dict[str, Any] = json.loads(path.read_text())
        version = content.pop("format_version")
        if version != FORMAT_VERSION:
            why = f"Its format_version is {version}, and this image reads {FORMAT_VERSION}"
            raise ClientError(f"{path} cannot be read", why, "Serve it with the image that made it")
        content["preprocessing"] = Preprocessing(**_as_fields(content["preprocessing"]))
        content["classes"] = tuple(content["classes"])
        return Description(**content)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ClientError(f"{path} is damaged", repr(error), "Give a model made by a training job") from error


def _foreign_preprocessing(path: Path) -> Preprocessing:
    try:
        entry = json.loads(path.read_text())[0]
        _, _, height, width = entry.get("shape") or entry["data_shape"]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        what = f"The input's shape is not known from {path}"
        why = f"It must be like {json.dumps(_shapes(224, 224))} ({type(error).__name__}: {error})"
        raise ClientError(what, why, "Put that file beside the model") from error
    return Preprocessing(int(height), int(width), None)


def _overridden(preprocessing: Preprocessing, changes: Mapping[str, Any]) -> Preprocessing:
    try:
        return replace(preprocessing, **_as_fields(changes))
    except TypeError as error:
        known = ", ".join(each.name for each in fields(Preprocessing))
        raise ClientError(f"The preprocessing {dict(changes)} is wrong", str(error), f"Valid names: {known}") from error


def _as_fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """JSON has no tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
