"""Puts the parts of a training job together: devices, net, data, and what decides when to end."""

import logging

import mxnet as mx
import numpy as np
from mxnet.gluon import HybridBlock
from PIL import Image

from .. import contract, devices, images
from ..arrays import Arrays, Floats, Pixels
from ..artifact import Artifact, Description
from ..data.batches import Batches, SkippedPictures, View
from ..data.samples import Channel, Stored
from ..ending import Ends, never
from ..errors import ClientError
from .channels import Channels
from .hyperparameters import Counted
from .learning.events import EventLog
from .learning.loop import Loop
from .learning.targets import Targets, balanced, count_labels, positive_weights
from .model import incremental, network
from .model.optimization import Optimization
from .results.checkpoint import Checkpoints, Progress
from .results.kept import KeptModels

logger = logging.getLogger(__name__)


def choose_contexts() -> list[mx.Context]:
    """Return what a job computes on: all GPUs, or the CPU where there are none."""
    return [mx.gpu(number) for number in range(len(devices.gpus()))] or [mx.cpu()]


def build(hyperparameters: Counted, earlier: Artifact | None = None) -> HybridBlock:
    """Return the net of a job with its first weights: that of the `earlier` model, if there is one.

    Raises ClientError.
    """
    mx.random.seed(hyperparameters.seed)
    if earlier:
        return incremental.build(earlier, hyperparameters, choose_contexts())
    return network.build(hyperparameters, contract.pretrained_dir(), choose_contexts())


def loop(
    paths: contract.Paths,
    hyperparameters: Counted,
    channels: Channels,
    net: HybridBlock,
    progress: Progress,
    threads: int,
    checkpoints: Checkpoints | None = None,
    state: Arrays | None = None,
    events: EventLog | None = None,
    ends: Ends = never,
) -> Loop:
    """Return the loop of a job: at its beginning or, with the `state` of a checkpoint, where that was written.

    `net` is what `build` returned. `threads` decode pictures. Raises ClientError.
    """
    hp, contexts = hyperparameters, choose_contexts()
    symbol = network.to_symbol(net, hp.multi_label)
    class_weights, positives = _weights(hp, channels.train)
    description = Description(0, hp.num_classes, hp.preprocessing, channels.classes)
    kept = KeptModels(paths.model, symbol, description, hp.checkpoint_frequency, checkpoints)
    optimization = Optimization(net, hp, contexts, positives)
    if state:
        optimization.restore(state)
        kept.restore(progress.history)
    train, validation = _batches(hp, channels, progress, threads)
    targets = Targets(hp, class_weights)
    return Loop(hp, optimization, train, validation, targets, kept, progress, checkpoints, events, ends)


def _batches(hp: Counted, channels: Channels, progress: Progress, threads: int) -> tuple[Batches, Batches]:
    preprocessing, augmentation = hp.preprocessing, hp.augmentation_type
    skipped = SkippedPictures(hp.max_bad_fraction)
    skipped.reasons.update(progress.skipped)

    def train_view(image: Image.Image, random: np.random.Generator) -> Pixels:
        return images.for_training(image, preprocessing, augmentation, random)

    def validation_view(image: Image.Image, _: np.random.Generator) -> Pixels:
        return images.for_evaluation(image, preprocessing)

    def of(channel: Channel, view: View, shuffle: bool) -> Batches:
        side = preprocessing.decoded_side
        return Batches(channel, view, hp.mini_batch_size, threads, hp.seed, shuffle, skipped, side)

    return of(channels.train, train_view, True), of(channels.validation, validation_view, False)


def _weights(hp: Counted, train: Channel) -> tuple[Floats | None, Floats | None]:
    """Return the weights of the classes and of present labels, each None if not asked for."""
    positives = hp.multi_label and hp.use_weighted_loss
    if not hp.class_weights and not positives:
        return None, None
    if not isinstance(train, Stored):
        name = "use_weighted_loss" if positives else "class_weights"
        why = "The weights come from counting the labels, and a pipe can be read only once"
        raise ClientError(f"Hyperparameter {name} is set for a train channel in Pipe mode", why, "Use File mode")
    counts = count_labels((sample.labels for sample in train.samples), hp.num_classes, hp.multi_label)
    return (None, positive_weights(counts, len(train))) if positives else (balanced(counts), None)
