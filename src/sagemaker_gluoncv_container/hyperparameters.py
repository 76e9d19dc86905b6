"""Hyperparameters: from the platform's strings to one typed, checked, frozen object.

Names, defaults and ranges are the built-in algorithm's ("Image Classification Hyperparameters" in the SageMaker
developer guide) but for two defaults: `num_layers` is 18 and `use_pretrained_model` is 1.
"""

import difflib
import json
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from .errors import ClientError
from .images import AUGMENTATIONS, Preprocessing, default_resize

T = TypeVar("T")
LAYERS = (18, 34, 50, 101, 152)
_SMALLEST_SIDE = 32


def _integer(least: int, most: float = float("inf")) -> Callable[[str], int]:
    expected = f"a whole number of at least {least}" if most == float("inf") else f"a whole number, {least} to {most}"

    def parse(text: str) -> int:
        # "2.0" is how some clients write 2.
        value = float(text)
        if value != int(value) or not least <= value <= most:
            raise ValueError
        return int(value)

    parse.__doc__ = expected
    return parse


def _number(least: float, most: float) -> Callable[[str], float]:
    def parse(text: str) -> float:
        value = float(text)
        if not least <= value <= most:
            raise ValueError
        return value

    parse.__doc__ = f"a number from {least:g} to {most:g}"
    return parse


def _choice(*values: T) -> Callable[[str], T]:
    names = {str(value): value for value in values}

    def parse(text: str) -> T:
        try:
            return names[text]
        except KeyError:
            raise ValueError from None

    parse.__doc__ = f"one of {', '.join(names)}"
    return parse


def _flag(text: str) -> bool:
    """Return one of 0, 1, True, False."""
    try:
        return {"0": False, "1": True, "false": False, "true": True}[text.lower()]
    except KeyError:
        raise ValueError from None


_flag.__doc__ = "one of 0, 1, True, False"


def _image_shape(text: str) -> tuple[int, int, int]:
    channels, height, width = (int(part) for part in text.strip("[]()").split(","))
    if channels != 3 or min(height, width) < _SMALLEST_SIDE:
        raise ValueError
    return channels, height, width


_image_shape.__doc__ = f'"3,height,width" with sides of at least {_SMALLEST_SIDE} pixels, like 3,224,224'


def _epoch_list(text: str) -> tuple[int, ...]:
    epochs = tuple(int(part) for part in text.strip("[]()").split(","))
    if any(epoch < 1 for epoch in epochs):
        raise ValueError
    return tuple(sorted(epochs))


_epoch_list.__doc__ = "epochs, with commas, like 10,20"


def _of(parse: Callable[[str], Any], default: Any = None) -> Any:
    return field(default=default, metadata={"parse": parse})


@dataclass(frozen=True)
class Hyperparameters:
    """What the user asked of the job. None means: not given."""

    num_classes: int | None = _of(_integer(1))
    num_training_samples: int | None = _of(_integer(1))
    num_layers: int = _of(_choice(*LAYERS), 18)
    use_pretrained_model: bool = _of(_flag, True)
    image_shape: tuple[int, int, int] = _of(_image_shape, (3, 224, 224))
    resize: int | None = _of(_integer(_SMALLEST_SIDE))
    mini_batch_size: int = _of(_integer(1), 32)
    epochs: int = _of(_integer(1), 30)
    optimizer: str = _of(_choice("sgd"), "sgd")
    learning_rate: float = _of(_number(0, 1), 0.1)
    momentum: float = _of(_number(0, 1), 0.9)
    weight_decay: float = _of(_number(0, 1), 0.0001)
    lr_scheduler_step: tuple[int, ...] = _of(_epoch_list, ())
    lr_scheduler_factor: float = _of(_number(0, 1), 0.1)
    augmentation_type: str | None = _of(_choice(*AUGMENTATIONS))
    top_k: int | None = _of(_integer(2))

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the net's input, in this job and ever after."""
        _, height, width = self.image_shape
        return Preprocessing(height, width, self.resize or default_resize(height, width))

    @classmethod
    def from_strings(cls, given: Mapping[str, Any]) -> "Hyperparameters":
        """Read hyperparameters as the platform writes them, JSON-quoted a second time or not.

        The platform's own (`sagemaker_*` and names that begin with an underscore) are passed over.
        Raises ClientError that names every fault.
        """
        parsers = {each.name: each.metadata["parse"] for each in fields(cls)}
        values: dict[str, Any] = {}
        faults: list[ClientError] = []
        for name, value in given.items():
            if name.startswith(("sagemaker_", "_")):
                continue
            if name not in parsers:
                faults.append(_unknown(name, list(parsers)))
                continue
            text = _unquoted(value)
            try:
                values[name] = parsers[name](text)
            except (ValueError, OverflowError):
                expected = parsers[name].__doc__
                faults.append(ClientError(f"hyperparameter {name} is {text!r}", f"it must be {expected}"))
        hyperparameters = cls(**values)
        # What could not be read has its default here, which nobody has asked for.
        faults += hyperparameters._contradictions(parsers.keys() & given.keys() - values.keys())
        if faults:
            raise ClientError.of(faults)
        return hyperparameters

    def _contradictions(self, unread: Set[str]) -> list[ClientError]:
        faults = []
        side = max(self.image_shape[1:])
        if self.resize is not None and self.resize < side and "image_shape" not in unread:
            why = f"it must be at least the larger side of image_shape, {side}"
            faults.append(ClientError(f"hyperparameter resize is {self.resize}", why))
        if self.top_k and self.num_classes and self.top_k >= self.num_classes:
            why = f"it must be less than num_classes, {self.num_classes}"
            faults.append(ClientError(f"hyperparameter top_k is {self.top_k}", why))
        return faults


def _unquoted(value: Any) -> str:
    """Return the value as one plain string: the SDK writes "crop" as "\\"crop\\"" when a source_dir is set."""
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        inner = json.loads(text)
    except ValueError:
        return text.strip()
    return inner.strip() if isinstance(inner, str) else text.strip()


def _unknown(name: str, known: list[str]) -> ClientError:
    likely = difflib.get_close_matches(name, known, 1)
    do = f"Did you mean {likely[0]}?" if likely else f"Known are: {', '.join(known)}"
    return ClientError(f"hyperparameter {name} is unknown", do=do)
