"""What a model directory holds: the one place where training and serving meet.

    image-classification-NNNN.params     the weights after epoch NNNN, in MXNet's format
    image-classification-symbol.json     the net, from RGB 0-255 to probabilities; normalisation is inside
    model-shapes.json                    the input's name and shape, as AWS's MXNet images read it
    sagemaker-gluoncv.json               what a symbol cannot say: classes, preprocessing, figures of the epoch
    image-classification-int8.json       how the net is computed in int8, and what accuracy that costs

The first three are the built-in algorithm's, under its names. AWS's MXNet images call them model-0000.params,
model-symbol.json and model-shapes.json.
"""

import json
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from . import documents
from .documents import anything, entries, items, number, optional, record, text, whole
from .errors import ClientError
from .images import Preprocessing

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
# Version 1 was judged with weights of 8 bits, and today's net has other weights.
QUANTIZATION_VERSION = 3
# This version's weights were rounded to the nearest of 7 bits, with which such a file is still served.
_NEAREST_VERSION = 2
_PREFIX = "image-classification"
# Of the built-in algorithm and of AWS's MXNet images.
PREFIXES = (_PREFIX, "model")
_SYMBOL = f"{_PREFIX}-symbol.json"
_SHAPES = "model-shapes.json"
_DESCRIPTION = "sagemaker-gluoncv.json"
_QUANTIZATION = f"{_PREFIX}-int8.json"
FLOAT32, INT8 = "float32", "int8"
EXPECTED = (
    " or ".join(f"{prefix}-symbol.json with {prefix}-NNNN.params" for prefix in PREFIXES)
    + f" (of the epoch in {_DESCRIPTION}, if that is there)"
)
_REMEDY = "Give a model made by a training job"
# Larger pictures than these have too many pixels.
_SIDE = whole(1, 10_000)
_PREPROCESSING = record(
    {"height": _SIDE, "width": _SIDE, "resize": optional(_SIDE)},
    {"mean": items(number(), 3), "deviation": items(number(above=0), 3)},
)
_DESCRIPTION_FIELDS = record(
    {
        "format_version": whole(FORMAT_VERSION, FORMAT_VERSION),
        "epoch": whole(0, 10**9),
        "num_classes": optional(whole(1, 10**6)),
        "preprocessing": _PREPROCESSING,
        "classes": items(text()),
    },
    {"metrics": entries(number())},
)
_SHARE = number(0, 1)
_QUANTIZATION_FIELDS = record(
    {
        "format_version": whole(_NEAREST_VERSION, QUANTIZATION_VERSION),
        "params": text(),
        "ranges": entries(items(number(), 2)),
        "pictures": whole(0, 10**9),
        "accuracy_float32": _SHARE,
        "accuracy_int8": _SHARE,
        "agreement": _SHARE,
    },
    {
        "refused": optional(text()),
        "labels": optional(whole(1, 10**13)),
        "worse": whole(0, 10**9),
        "better": whole(0, 10**9),
        "float32_layers": items(text()),
    },
)
# A foreign model's file describes its label too, and has other fields. The two forms of a field's name are both in use.
_NAMES, _SHAPES_OF = ("name", "data_name"), ("shape", "data_shape")
_SHAPES_FIELDS = items(record({}, dict.fromkeys((*_NAMES, *_SHAPES_OF), anything()), strict=False))
_SHAPE = items(whole(0, 10_000), 4)


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

    `ranges` are, by the names of layers, the lowest and the highest value that their 8 bits stand for. Accuracies and
    the agreement are shares of `pictures` or, where each picture has several labels, of their `labels` together.
    `worse` and `better` count the pictures that int8 answers so. `float32_layers` are too sensitive for int8.
    `refused` says why int8 must not be used, None if it may be. `nearest`: the weights are rounded as version 2 was
    judged.
    """

    params: str
    ranges: dict[str, tuple[float, float]]
    pictures: int
    accuracy_float32: float
    accuracy_int8: float
    agreement: float
    refused: str | None = None
    labels: int | None = None
    worse: int = 0
    better: int = 0
    float32_layers: tuple[str, ...] = ()
    nearest: bool = False

    def __str__(self) -> str:
        labels = f"{self.labels} labels on " if self.labels else ""
        count = len(self.float32_layers)
        layers = f", with {count} {'layer' if count == 1 else 'layers'} in float32" if count else ""
        return (
            f"accuracy {self.accuracy_int8:.4f} (float32: {self.accuracy_float32:.4f}), the same answer for "
            f"{self.agreement:.2%} of {labels}{self.pictures} validation pictures{layers}"
        )


@dataclass(frozen=True)
class Artifact:
    """A model directory that can be served. `quantization` is None if its weights were never calibrated for int8."""

    symbol: Path
    params: Path
    description: Description
    quantization: Quantization | None = None

    @property
    def directory(self) -> Path:
        """The folder in which all files of the model lie."""
        return self.symbol.parent


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file so that the old one or the new one is there, whole, whenever the job is killed. Raises OSError."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    try:
        write(unfinished)
        unfinished.replace(path)
    except OSError:
        # On a full disk it would take room, and it would go into the archive.
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


def _shapes(height: int, width: int) -> str:
    return json.dumps([{"name": "data", "shape": [1, 3, height, width]}])


SHAPES_EXAMPLE = _shapes(224, 224)


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
    _write(directory / _SHAPES, lambda path: path.write_text(_shapes(pre.height, pre.width)))
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
    del content["nearest"]
    _write(directory / _QUANTIZATION, lambda path: path.write_text(json.dumps(content, indent=2)))


def _quantization(directory: Path, params: Path) -> Quantization | None:
    """Return what is known of int8 for these weights, None if nothing is."""
    path = directory / _QUANTIZATION
    if not path.is_file():
        return None
    do = f"Remove it, and run `sagemaker-gluoncv quantize {directory}` again"
    content = documents.parse(path, do)
    version = content.get("format_version") if isinstance(content, dict) else QUANTIZATION_VERSION
    if version not in (_NEAREST_VERSION, QUANTIZATION_VERSION):
        logger.info(
            "%s counts for nothing: its format_version is %s, and this image computes another int8 form. The model is "
            "served in float32. To make its int8 form, run `sagemaker-gluoncv quantize`.", path, version
        )  # fmt: skip
        return None
    checked = documents.read(path, _QUANTIZATION_FIELDS, do)
    nearest = checked.pop("format_version") == _NEAREST_VERSION
    return Quantization(**checked, nearest=nearest) if checked["params"] == params.name else None


def _params(directory: Path, epoch: int) -> Path:
    return directory / f"{_PREFIX}-{epoch:04d}.params"


def load(directory: Path, override: Mapping[str, Any] | None = None) -> Artifact:
    """Return the model in a directory: ours, the built-in algorithm's, or that of AWS's MXNet images.

    `override` replaces fields of the preprocessing. AWS has not published what the built-in does to a picture. The
    best evidence is AWS's Neo handler for it, which squashes the picture to the input's shape and feeds RGB 0-255. So
    foreign artifacts get that. Raises ClientError that lists what was found and what was expected.
    """
    for prefix in PREFIXES:
        symbol, weights = directory / f"{prefix}-symbol.json", _weights(directory, prefix)
        if symbol.is_file() and weights:
            description = _description(directory, max(weights))
            changed = _overridden(description.preprocessing, override or {})
            if params := weights.get(description.epoch):
                quantization = _quantization(directory, params)
                return Artifact(symbol, params, replace(description, preprocessing=changed), quantization)
    found = ", ".join(sorted(path.name for path in directory.glob("*"))) or "nothing"
    raise ClientError(f"{directory} holds no model", f"Found: {found}. Expected: {EXPECTED}", _REMEDY)


def holds_model(directory: Path) -> bool:
    """Return whether there are a net and its weights in a directory, damaged or not."""
    return any((directory / f"{prefix}-symbol.json").is_file() and _weights(directory, prefix) for prefix in PREFIXES)


def _weights(directory: Path, prefix: str) -> dict[int, Path]:
    """Return the files of weights by their epochs."""
    return {_epoch(path): path for path in directory.glob(f"{prefix}-*.params")}


def _epoch(params: Path) -> int:
    digits = params.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else -1


def _description(directory: Path, last_epoch: int) -> Description:
    """Return what our file says. Of a foreign artifact the last epoch is served."""
    path = directory / _DESCRIPTION
    if not path.is_file():
        return Description(last_epoch, None, _foreign_preprocessing(directory / _SHAPES))
    content = documents.parse(path, _REMEDY)
    version = content.get("format_version", FORMAT_VERSION) if isinstance(content, dict) else FORMAT_VERSION
    if version != FORMAT_VERSION or isinstance(version, bool):
        why = f"Its format_version is {version!s:.40}, and this image reads {FORMAT_VERSION}"
        raise ClientError(f"{path} cannot be read", why, "Serve it with the image that made it")
    checked = documents.read(path, _DESCRIPTION_FIELDS, _REMEDY)
    del checked["format_version"]
    count, names = checked["num_classes"], checked["classes"]
    if count and names and len(names) != count:
        why = f"Its field num_classes is {count}, but its field classes has {len(names)} names"
        raise ClientError(f"{path} is damaged", why, _REMEDY)
    return Description(**{**checked, "preprocessing": Preprocessing(**checked["preprocessing"])})


def _foreign_preprocessing(path: Path) -> Preprocessing:
    do = f"Put a file like {SHAPES_EXAMPLE} beside the model"
    if not path.is_file():
        raise ClientError("The size of the model's pictures is not known", f"There is no {path}", do)
    inputs = documents.read(path, _SHAPES_FIELDS, do)
    pictures = next((each for each in inputs if "data" in (each.get(name) for name in _NAMES)), (*inputs, {})[0])
    shapes = [pictures[name] for name in _SHAPES_OF if name in pictures]
    if not shapes:
        raise ClientError("The size of the model's pictures is not known", f"{path} has no shape", do)
    shape, faults = documents.check_all(shapes[0], _SHAPE, "shape")
    if faults:
        raise ClientError(f"{path} is damaged", faults, do)
    _, channels, height, width = shape
    if channels != 3 or not height or not width:
        raise ClientError(f"{path} is damaged", f"Its shape {list(shape)} is not that of RGB pictures", do)
    return Preprocessing(height, width, None)


def _overridden(preprocessing: Preprocessing, changes: Mapping[str, Any]) -> Preprocessing:
    given = {**asdict(preprocessing), **changes}
    given |= {name: list(value) for name, value in given.items() if isinstance(value, tuple)}
    checked, faults = documents.check_all(given, _PREPROCESSING)
    if faults:
        known = ", ".join(each.name for each in fields(Preprocessing))
        raise ClientError(f"The preprocessing {dict(changes)} is wrong", faults, f"Valid names: {known}")
    return Preprocessing(**checked)
