"""A training loop small enough for unit tests: the real parts, the smallest net, pictures of 8 x 8 pixels."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
from PIL import Image

from sagemaker_gluoncv_container.arrays import Floats, Pixels
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.data.batches import Batches, SkippedPictures
from sagemaker_gluoncv_container.data.samples import Stored, StreamedSample
from sagemaker_gluoncv_container.ending import Ends, never
from sagemaker_gluoncv_container.training.hyperparameters import Counted
from sagemaker_gluoncv_container.training.learning.events import EventLog
from sagemaker_gluoncv_container.training.learning.loop import Loop
from sagemaker_gluoncv_container.training.learning.targets import Targets
from sagemaker_gluoncv_container.training.model import network
from sagemaker_gluoncv_container.training.model.optimization import Optimization
from sagemaker_gluoncv_container.training.results.checkpoint import Checkpoints, Progress
from sagemaker_gluoncv_container.training.results.kept import KeptModels

SIDE = 8
CLASSES = ("dark", "light")
Poison = Callable[[int, Floats], Floats]


def hyperparameters(**given: Any) -> Counted:
    """Return hyperparameters for the smallest net and two classes."""
    values = {"num_classes": 2, "num_training_samples": 12, "num_layers": 20, "use_pretrained_model": False}
    small = {"image_shape": (3, SIDE, SIDE), "mini_batch_size": 4, "epochs": 3, "learning_rate": 0.01}
    return Counted(**{**values, **small, **given})


def channel(labels: Sequence[float | tuple[float, ...]], seed: int = 0) -> Stored:
    """Return pictures of noise, darker than half for label 0 and lighter for another."""
    random, samples = np.random.default_rng(seed), []
    for number, label in enumerate(labels):
        labelled = label if isinstance(label, tuple) else (float(label),)
        least = 128 if labelled[-1] else 0
        buffer = io.BytesIO()
        Image.fromarray(random.integers(least, least + 128, (SIDE, SIDE, 3), np.uint8)).save(buffer, "PNG")
        samples.append(StreamedSample(f"{seed}/{number}.png", labelled, buffer.getvalue()))
    return Stored(samples)  # type: ignore[arg-type]


def plain(image: Image.Image, _: np.random.Generator) -> Pixels:
    """Return the pixels as they are."""
    return np.asarray(image)


def optimization(hp: Counted, contexts: Sequence[mx.Context] = (mx.cpu(),), seed: int = 5) -> Optimization:
    """Return the net of a job, with the same weights for the same seed."""
    mx.random.seed(seed)
    return Optimization(network.build(hp, Path("unused"), contexts), hp, contexts)


@dataclass
class Poisoned:
    """An optimization whose net answers validation pictures as `poison` changes them; all else is the real one."""

    real: Optimization
    poison: Poison
    asked: int = 0

    def answer(self, pixels: Floats) -> Floats:
        """Return the logits, changed; `poison` is told how many times it was asked before."""
        self.asked += 1
        return self.poison(self.asked - 1, self.real.answer(pixels))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


def small_loop(
    base: Path,
    train: Stored | None = None,
    validation: Stored | None = None,
    checkpoints: Checkpoints | None = None,
    progress: Progress | None = None,
    events: EventLog | None = None,
    ends: Ends = never,
    poison: Poison | None = None,
    **given: Any,
) -> Loop:
    """Return a loop over 12 training and 6 validation pictures that keeps its model in `base`/model."""
    hp = hyperparameters(**given)
    made = optimization(hp)
    kept = KeptModels(
        base / "model",
        network.to_symbol(made.net, hp.multi_label),
        Description(0, 2, hp.preprocessing, CLASSES),
        hp.checkpoint_frequency,
        checkpoints,
    )
    skipped = SkippedPictures(hp.max_bad_fraction)
    batches = [
        Batches(pictures, plain, hp.mini_batch_size, 2, hp.seed, skipped=skipped)
        for pictures in (train or channel([0, 1] * 6), validation or channel([0, 1] * 3, seed=1))
    ]
    used: Any = Poisoned(made, poison) if poison else made
    return Loop(hp, used, *batches, Targets(hp), kept, progress or Progress(), checkpoints, events, ends)
