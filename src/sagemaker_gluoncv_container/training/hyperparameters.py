"""Hyperparameters: from the platform's strings to one typed, checked, frozen object.

Names, defaults and ranges are the built-in algorithm's ("Image Classification Hyperparameters" in the SageMaker
developer guide) but for two defaults: `num_layers` is 18 and `use_pretrained_model` is 1. docs/hyperparameters.md
says what each one does.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import ClientError
from ..images import AUGMENTATIONS, Preprocessing, default_resize
from . import ranges
from .ranges import Range, choice, flag, number, whole_number

LAYERS = (18, 34, 50, 101, 152, 200)
# GluonCV's nets for pictures of about 32 pixels: three stages where the others have four and a wide stem.
SMALL_LAYERS = (20, 32, 44, 56, 110)
# The nets of which there are no base weights.
_WITHOUT_BASE_WEIGHTS = (200, *SMALL_LAYERS)
STAGES = ("stage1", "stage2", "stage3", "stage4")
_SMALLEST_SIDE, _SMALLEST_SMALL_SIDE = 32, 8
# A head for more classes would not fit into the memory of any instance.
_MOST_CLASSES = 1_000_000
# How much of a value a message shows.
_SHOWN_CHARACTERS = 80


def _of(accepts: Range, default: Any = None) -> Any:
    return field(default=default, metadata={"accepts": accepts})


@dataclass(frozen=True)
class Hyperparameters:
    """What the user asked of the job. None means: not given."""

    num_classes: int | None = _of(whole_number(1, _MOST_CLASSES))
    num_training_samples: int | None = _of(whole_number(1))
    num_layers: int = _of(ranges.layers(LAYERS, SMALL_LAYERS), 18)
    use_pretrained_model: bool = _of(flag(), True)
    image_shape: tuple[int, int, int] = _of(ranges.image_shape(_SMALLEST_SIDE, _SMALLEST_SMALL_SIDE), (3, 224, 224))
    resize: int | None = _of(whole_number(_SMALLEST_SMALL_SIDE))
    mini_batch_size: int = _of(whole_number(1, log_scale=True), 32)
    epochs: int = _of(whole_number(1), 30)
    optimizer: str = _of(choice("sgd", "adam", "rmsprop", "nag"), "sgd")
    learning_rate: float = _of(number(0, 1, log_scale=True), 0.1)
    momentum: float = _of(number(0, 1), 0.9)
    weight_decay: float = _of(number(0, 1, log_scale=True), 0.0001)
    beta_1: float = _of(number(0, 1), 0.9)
    beta_2: float = _of(number(0, 1), 0.999)
    eps: float = _of(number(0, 1, log_scale=True), 1e-8)
    gamma: float = _of(number(0, 1), 0.9)
    lr_scheduler_step: tuple[int, ...] = _of(ranges.epochs(), ())
    lr_scheduler_factor: float = _of(number(0, 1), 0.1)
    augmentation_type: str | None = _of(choice(*AUGMENTATIONS))
    top_k: int | None = _of(whole_number(2))
    early_stopping: bool = _of(flag(), False)
    early_stopping_min_epochs: int = _of(whole_number(1), 10)
    early_stopping_patience: int = _of(whole_number(1), 5)
    early_stopping_tolerance: float = _of(number(0, 1), 0.0)
    checkpoint_frequency: int | None = _of(whole_number(1))
    kv_store: str | None = _of(choice("dist_sync", "dist_async"))
    precision_dtype: str = _of(choice("float32", "float16"), "float32")
    multi_label: bool = _of(flag(), False)
    use_weighted_loss: bool = _of(flag(), False)
    # What the built-in never had: off unless asked for.
    lr_scheduler: str | None = _of(choice("cosine"))
    warmup_epochs: int = _of(whole_number(0), 0)
    label_smoothing: float = _of(number(0, 1), 0.0)
    mixup: float = _of(number(0, 10), 0.0)
    class_weights: str | None = _of(choice("balanced"))
    freeze: str = _of(choice("none", *STAGES, "backbone"), "none")
    seed: int = _of(whole_number(0, 2**31 - 1), 0)
    max_seconds: float | None = _of(number(1, 10**9))
    max_bad_fraction: float = _of(number(0, 1), 0.01)
    tensorboard: bool = _of(flag(), False)

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures become the net's input, in this job and ever after."""
        _, height, width = self.image_shape
        return Preprocessing(height, width, self.resize or default_resize(height, width))

    @classmethod
    def from_strings(cls, given: Mapping[str, Any], earlier_model: bool = False) -> "Hyperparameters":
        """Read hyperparameters as the platform writes them, JSON-quoted a second time or not.

        The platform's own (`sagemaker_*` and names that begin with an underscore) are ignored. Where the job starts
        from an `earlier_model` the net is that one's, so nothing can contradict num_layers.
        Raises ClientError that names every fault.
        """
        own = {name: value for name, value in given.items() if not name.startswith(("sagemaker_", "_"))}
        values: dict[str, Any] = {}
        faults: list[ClientError] = []
        for name, value in own.items():
            try:
                values[name] = _read(name, value)
            except ClientError as fault:
                faults.append(fault)
        if values.get("num_layers") in _WITHOUT_BASE_WEIGHTS:
            # Starting from random weights need not be asked for.
            values.setdefault("use_pretrained_model", False)
        hyperparameters = cls(**values)
        # What could not be read has its default here, which nobody has asked for.
        no_say = own.keys() - values.keys() | ({"num_layers"} if earlier_model else set())
        faults += hyperparameters._contradictions(no_say)
        if faults:
            raise ClientError.of(faults)
        return hyperparameters

    def _contradictions(self, no_say: Set[str]) -> list[ClientError]:
        """Return a fault for each value that another one forbids, unless that other one has no say."""
        return [
            ClientError(f"Hyperparameter {name} is {_shown(getattr(self, name))}", why)
            for name, other, why in self._conflicts()
            if other not in no_say
        ]

    def _conflicts(self) -> Iterator[tuple[str, str, str]]:
        """Yield the name of a hyperparameter, the one it cannot stand beside, and why."""
        small, sides = self.num_layers in SMALL_LAYERS, self.image_shape[1:]
        if not small and min(sides) < _SMALLEST_SIDE:
            least = f"Its sides must be at least {_SMALLEST_SIDE} pixels with num_layers {self.num_layers}"
            yield "image_shape", "num_layers", least
        if self.resize is not None and self.resize < max(sides):
            yield "resize", "image_shape", f"It must be at least the larger side of image_shape, {max(sides)}"
        if self.num_layers in _WITHOUT_BASE_WEIGHTS and self.use_pretrained_model:
            yield "use_pretrained_model", "num_layers", f"There are no base weights for num_layers {self.num_layers}"
        if small and self.freeze == STAGES[3]:
            yield "freeze", "num_layers", f"The net of num_layers {self.num_layers} has three stages"
        if self.top_k and self.num_classes and self.top_k >= self.num_classes:
            yield "top_k", "num_classes", f"It must be less than num_classes, {self.num_classes}"
        if self.top_k and self.multi_label:
            yield "top_k", "multi_label", "It is about the one label of a picture, and multi_label is 1"
        if self.class_weights and self.multi_label:
            yield "class_weights", "multi_label", "With multi_label 1, use_weighted_loss does this"
        if self.checkpoint_frequency and self.checkpoint_frequency > self.epochs:
            yield "checkpoint_frequency", "epochs", f"It must be at most epochs, {self.epochs}"
        if self.warmup_epochs >= self.epochs:
            yield "warmup_epochs", "epochs", f"It must be less than epochs, {self.epochs}"
        if self.lr_scheduler and self.lr_scheduler_step:
            yield "lr_scheduler", "lr_scheduler_step", "The hyperparameter lr_scheduler_step asks for another schedule"


@dataclass(frozen=True)
class Counted(Hyperparameters):
    """Hyperparameters beside their data: what was not given has been counted there."""

    num_classes: int = field()
    num_training_samples: int = field()

    def __str__(self) -> str:
        return repr(self).replace(type(self).__name__, Hyperparameters.__name__, 1)


# By name, in the order of the documentation.
RANGES: Mapping[str, Range] = {each.name: each.metadata["accepts"] for each in fields(Hyperparameters)}


def _read(name: str, value: Any) -> Any:
    """Return a value from its text. Raises ClientError."""
    if name not in RANGES:
        raise _unknown(name)
    text = _unquoted(value)
    try:
        return RANGES[name].parse(text)
    except (ValueError, OverflowError) as error:
        shown = repr(text) if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]!r} and so on"
        raise ClientError(f"Hyperparameter {name} is {shown}", f"It must be {RANGES[name].expected}") from error


def _shown(value: Any) -> str:
    return repr(",".join(map(str, value))) if isinstance(value, tuple) else str(value)


def _unquoted(value: Any) -> str:
    """Return the value as one plain string: the SDK writes "crop" as "\\"crop\\"" when a source_dir is set."""
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        inner = json.loads(text)
    except (ValueError, RecursionError):
        return text.strip()
    return inner.strip() if isinstance(inner, str) else text.strip()


def _unknown(name: str) -> ClientError:
    likely = difflib.get_close_matches(name, RANGES, 1)
    do = f"Did you mean {likely[0]}?" if likely else f"Valid names: {', '.join(RANGES)}"
    return ClientError(f"Hyperparameter {name} is unknown", do=do)
