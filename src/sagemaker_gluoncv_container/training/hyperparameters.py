"""Hyperparameters: from the platform's strings to one typed, checked, frozen object.

Names, defaults and ranges are the built-in algorithm's ("Image Classification Hyperparameters" in the SageMaker
developer guide) but for two defaults: `num_layers` is 18 and `use_pretrained_model` is 1. docs/hyperparameters.md
says what each one does.
"""

import difflib
import json
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from ..errors import ClientError
from ..images import AUGMENTATIONS, Preprocessing, default_resize

T = TypeVar("T")
LAYERS = (18, 34, 50, 101, 152)
# GluonCV's nets for pictures of about 32 pixels: three stages where the others have four and a wide stem.
SMALL_LAYERS = (20, 32, 44, 56, 110)
_SMALLEST_SIDE, _SMALLEST_SMALL_SIDE = 32, 8
STAGES = ("stage1", "stage2", "stage3", "stage4")


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
    try:
        return {"0": False, "1": True, "false": False, "true": True}[text.lower()]
    except KeyError:
        raise ValueError from None


_flag.__doc__ = "one of 0, 1, True, False"


_any_layers = _choice(*LAYERS, *SMALL_LAYERS)


def _layers(text: str) -> int:
    return _any_layers(text)


_layers.__doc__ = (
    f"one of {', '.join(map(str, LAYERS))}, or for small pictures {', '.join(map(str, SMALL_LAYERS))}"
    "; GluonCV has no net of 200 layers, take 152 instead"
)


def _image_shape(text: str) -> tuple[int, int, int]:
    channels, height, width = (int(part) for part in text.strip("[]()").split(","))
    if channels != 3 or min(height, width) < _SMALLEST_SMALL_SIDE:
        raise ValueError
    return channels, height, width


_image_shape.__doc__ = (
    f'"3,height,width" with sides of at least {_SMALLEST_SIDE} pixels, like 3,224,224'
    f" (at least {_SMALLEST_SMALL_SIDE} where num_layers is for small pictures)"
)


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
    num_layers: int = _of(_layers, 18)
    use_pretrained_model: bool = _of(_flag, True)
    image_shape: tuple[int, int, int] = _of(_image_shape, (3, 224, 224))
    resize: int | None = _of(_integer(_SMALLEST_SMALL_SIDE))
    mini_batch_size: int = _of(_integer(1), 32)
    epochs: int = _of(_integer(1), 30)
    optimizer: str = _of(_choice("sgd", "adam", "rmsprop", "nag"), "sgd")
    learning_rate: float = _of(_number(0, 1), 0.1)
    momentum: float = _of(_number(0, 1), 0.9)
    weight_decay: float = _of(_number(0, 1), 0.0001)
    beta_1: float = _of(_number(0, 1), 0.9)
    beta_2: float = _of(_number(0, 1), 0.999)
    eps: float = _of(_number(0, 1), 1e-8)
    gamma: float = _of(_number(0, 1), 0.9)
    lr_scheduler_step: tuple[int, ...] = _of(_epoch_list, ())
    lr_scheduler_factor: float = _of(_number(0, 1), 0.1)
    augmentation_type: str | None = _of(_choice(*AUGMENTATIONS))
    top_k: int | None = _of(_integer(2))
    early_stopping: bool = _of(_flag, False)
    early_stopping_min_epochs: int = _of(_integer(1), 10)
    early_stopping_patience: int = _of(_integer(1), 5)
    early_stopping_tolerance: float = _of(_number(0, 1), 0.0)
    checkpoint_frequency: int | None = _of(_integer(1))
    kv_store: str | None = _of(_choice("dist_sync", "dist_async"))
    precision_dtype: str = _of(_choice("float32", "float16"), "float32")
    multi_label: bool = _of(_flag, False)
    use_weighted_loss: bool = _of(_flag, False)
    # What the built-in never had: off unless asked for.
    lr_scheduler: str | None = _of(_choice("cosine"))
    warmup_epochs: int = _of(_integer(0), 0)
    label_smoothing: float = _of(_number(0, 1), 0.0)
    mixup: float = _of(_number(0, 10), 0.0)
    class_weights: str | None = _of(_choice("balanced"))
    freeze: str = _of(_choice("none", *STAGES, "backbone"), "none")
    seed: int = _of(_integer(0, 2**31 - 1), 0)
    max_seconds: float | None = _of(_number(1, 10**9))
    max_bad_fraction: float = _of(_number(0, 1), 0.01)
    tensorboard: bool = _of(_flag, False)

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
        if values.get("num_layers") in SMALL_LAYERS:
            # There are no base weights of these nets: to start from random ones needs no word.
            values.setdefault("use_pretrained_model", False)
        hyperparameters = cls(**values)
        # What could not be read has its default here, which nobody has asked for.
        faults += hyperparameters._contradictions(parsers.keys() & given.keys() - values.keys())
        if faults:
            raise ClientError.of(faults)
        return hyperparameters

    def _contradictions(self, unread: Set[str]) -> list[ClientError]:
        """Return a fault for each value that another one forbids, unless that other one could not be read."""
        return [
            ClientError(f"hyperparameter {name} is {_shown(getattr(self, name))}", why)
            for name, other, why in self._conflicts()
            if other not in unread
        ]

    def _conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name of a hyperparameter, the one it cannot stand beside, and why."""
        small, sides = self.num_layers in SMALL_LAYERS, self.image_shape[1:]
        if not small and min(sides) < _SMALLEST_SIDE:
            least = f"it must have sides of at least {_SMALLEST_SIDE} pixels with num_layers {self.num_layers}"
            yield "image_shape", "num_layers", least
        if self.resize is not None and self.resize < max(sides):
            yield "resize", "image_shape", f"it must be at least the larger side of image_shape, {max(sides)}"
        if small and self.use_pretrained_model:
            yield "use_pretrained_model", "num_layers", f"there are no base weights for num_layers {self.num_layers}"
        if small and self.freeze == STAGES[3]:
            yield "freeze", "num_layers", f"the net of num_layers {self.num_layers} has three stages"
        if self.top_k and self.num_classes and self.top_k >= self.num_classes:
            yield "top_k", "num_classes", f"it must be less than num_classes, {self.num_classes}"
        if self.top_k and self.multi_label:
            yield "top_k", "multi_label", "it is about the one label of a picture, and multi_label is 1"
        if self.class_weights and self.multi_label:
            yield "class_weights", "multi_label", "with multi_label 1, use_weighted_loss does this"
        if self.checkpoint_frequency and self.checkpoint_frequency > self.epochs:
            yield "checkpoint_frequency", "epochs", f"it must be at most epochs, {self.epochs}"
        if self.warmup_epochs >= self.epochs:
            yield "warmup_epochs", "epochs", f"it must be less than epochs, {self.epochs}"
        if self.lr_scheduler and self.lr_scheduler_step:
            yield "lr_scheduler", "lr_scheduler_step", "lr_scheduler_step asks for another schedule"


def _shown(value: Any) -> str:
    return repr(",".join(map(str, value))) if isinstance(value, tuple) else str(value)


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
