"""The training job from start to end, and the one place where a failure is caught.

contract -> hyperparameters -> channels -> batches (images) -> network -> loop -> artifact
"""

import logging
import math
import signal
import sys
import threading
from types import FrameType

import numpy as np
from PIL import Image

from .. import contract, images
from ..artifact import Description
from ..errors import AlgorithmError, ClientError
from ..hyperparameters import Hyperparameters
from . import channels as channels_
from . import script
from .batches import Batches

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the job and return its exit code: 0, 2 if the user can mend what is wrong, else 1."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s", stream=sys.stdout)
    stop = threading.Event()

    def on_sigterm(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    # PID 1 gets no default handlers: without this line SIGTERM would be lost.
    signal.signal(signal.SIGTERM, on_sigterm)
    paths = contract.Paths.from_environment()
    try:
        given = paths.read_config("hyperparameters")
        if script.PROGRAM in given:
            return script.run(paths)
        run(paths, Hyperparameters.from_strings(given), stop)
    except ClientError as error:
        return _fail(paths, f"ClientError: {error}", ClientError.exit_code)
    except Exception as error:
        logger.exception("The job failed")
        cause = type(error.__cause__ or error).__name__
        return _fail(paths, f"AlgorithmError: {error} (caused by {cause})", AlgorithmError.exit_code)
    return 0


def _fail(paths: contract.Paths, message: str, exit_code: int) -> int:
    logger.error(message)
    try:
        paths.write_failure(message)
    except OSError as error:
        logger.error("The reason could not be written to %s: %s", paths.failure, error)
    return exit_code


def run(paths: contract.Paths, hyperparameters: Hyperparameters, stop: threading.Event) -> None:
    """Train, and leave the best epoch's model in the model directory.

    Raises ClientError for what the user can mend.
    """
    channels, hyperparameters = channels_.read(paths, hyperparameters)
    logger.info("%d training and %d validation pictures", len(channels.train), len(channels.validation))
    logger.info("%s", hyperparameters)
    threads = max(1, math.floor(contract.cpu_count()))
    contract.set_compute_threads(threads)

    # MXNet reads its environment when it is imported, so not before this line.
    import mxnet as mx

    from .loop import Loop
    from .network import build, export

    mx.random.seed(0)
    net = build(hyperparameters, contract.pretrained_dir(), mx.cpu())
    preprocessing, augmentation = hyperparameters.preprocessing, hyperparameters.augmentation_type
    size = hyperparameters.mini_batch_size

    def train_view(image: Image.Image, random: np.random.Generator) -> images.Pixels:
        return images.for_training(image, preprocessing, augmentation, random)

    def validation_view(image: Image.Image, _: np.random.Generator) -> images.Pixels:
        return images.for_evaluation(image, preprocessing)

    def keep(epoch: int, metrics: dict[str, float]) -> None:
        classes = hyperparameters.num_classes or 0
        export(net, paths.model, Description(epoch, classes, preprocessing, channels.classes, metrics))

    train = Batches(channels.train, train_view, size, threads, shuffle=True)
    validation = Batches(channels.validation, validation_view, size, threads, shuffle=False)
    Loop(net, hyperparameters, mx.cpu(), stop.is_set).fit(train, validation, keep)
