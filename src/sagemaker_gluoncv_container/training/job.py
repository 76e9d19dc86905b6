"""The training job from start to end, and the one place where a failure is caught.

contract -> hyperparameters -> channels -> earlier model -> checkpoint -> assembly (network, optimization, batches) ->
loop -> quantizing -> outcome
"""

import logging
import math
import signal
import sys
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import FrameType

from .. import contract, devices, machine, model_folder
from ..arrays import Arrays
from ..artifact import Artifact
from ..data.channel_config import MODEL
from ..ending import TimeLimit
from ..errors import AlgorithmError, ClientError
from ..hosts import Hosts
from . import script
from .channels import Channels
from .channels import read as read_channels
from .hyperparameters import Counted, Hyperparameters
from .identity import identity
from .learning.events import EventLog
from .results.checkpoint import Checkpoints, Progress

logger = logging.getLogger(__name__)


def main() -> int:
    """Run the job and return its exit code: 0, 2 if the user can fix what is wrong, else 1."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s", stream=sys.stdout)
    stop = threading.Event()
    paths = contract.Paths.from_environment()
    try:
        given = paths.read_config("hyperparameters")
        if contract.names_a_program(given):
            _heed_sigterm(stop)
            return script.run(paths, stop)
        earlier_model = paths.channel(MODEL).is_dir()
        run(paths, Hyperparameters.from_strings(given, earlier_model), stop)
    except ClientError as error:
        return _fail(paths, f"ClientError: {error}", ClientError.exit_code)
    except Exception as error:
        logger.exception("The job failed")
        cause = type(error.__cause__ or error).__name__
        return _fail(paths, f"AlgorithmError: {error} (caused by {cause})", AlgorithmError.exit_code)
    return 0


def _heed_sigterm(stop: threading.Event) -> None:
    """From now on, have SIGTERM set `stop`; until now, with nothing to save, it ended the process (`train/train`)."""

    def on_sigterm(_signal: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_sigterm)


def _fail(paths: contract.Paths, message: str, exit_code: int) -> int:
    logger.error(message)
    try:
        paths.write_failure(message)
    except OSError as error:
        logger.error("The reason could not be written to %s: %s", paths.failure, error)
    return exit_code


def run(paths: contract.Paths, hyperparameters: Hyperparameters, stop: threading.Event) -> None:
    """Train; leave the best epoch's model in the model directory, and the report in the output directory.

    Raises ClientError for what the user can fix.
    """
    limit = TimeLimit(hyperparameters.max_seconds)

    def ends() -> str | None:
        return "Asked to stop" if stop.is_set() else "max_seconds are over" if limit.is_over() else None

    _check_hosts(paths)
    _check_devices(hyperparameters)
    channels, counted = read_channels(paths, hyperparameters, ends)
    _heed_sigterm(stop)
    logger.info("%d training and %d validation pictures", len(channels.train), len(channels.validation))
    logger.info("%s", counted)
    threads = max(1, math.floor(machine.cpu_count()))
    contract.set_compute_threads(threads)
    # All pictures of a job are of one size: what is tried out once pays off in every batch.
    contract.set_gpu_defaults(1)

    # MXNet reads its environment when it is imported, so not before this line.
    from . import assembly
    from .model import network
    from .results import outcome, quantizing

    with _events(paths, counted) as events:
        with _earlier_model(paths) as earlier:
            net = assembly.build(counted, earlier)
            checkpoints = _checkpoints(paths, counted, channels, network.shapes(net), earlier)
        progress, state = _start(checkpoints)
        if earlier and not state:
            folder = paths.channel(MODEL)
            logger.info("Starting from the model in %s; num_layers and use_pretrained_model are ignored", folder)
        loop = assembly.loop(
            paths, counted, channels, net, progress, threads, checkpoints, state, events=events, ends=ends
        )
        loop.fit()
    if loop.kept.answers:
        seed, skipped = counted.seed, loop.train.skipped.reasons
        quantizing.quantize(paths.model, channels.train, channels.validation, threads, seed, ends, skipped)
    outcome.write_report(paths.output_data, counted, channels, loop.progress, loop.kept, loop.train.skipped)


def _check_hosts(paths: contract.Paths) -> None:
    hosts = Hosts.from_platform(paths)
    if not hosts.alone:
        do = "Set instance_count to 1, and choose a larger instance type"
        raise ClientError(f"The job has {len(hosts.names)} hosts", "This image trains on one", do)


def _check_devices(hyperparameters: Hyperparameters) -> None:
    devices.check()
    if hyperparameters.precision_dtype == "float16" and not devices.gpus():
        raise ClientError(
            "Hyperparameter precision_dtype is float16",
            "This job runs on a CPU, where MXNet cannot train in float16",
            "Leave it out, or choose an instance type with a GPU and the GPU image",
        )


def _earlier_model(paths: contract.Paths) -> AbstractContextManager[Artifact | None]:
    """Give the model in the `model` channel, None if the job has no such channel."""
    folder = paths.channel(MODEL)
    return model_folder.opened(folder) if folder.is_dir() else nullcontext()


def _checkpoints(
    paths: contract.Paths,
    hyperparameters: Counted,
    channels: Channels,
    net: Mapping[str, tuple[int, ...]],
    earlier: Artifact | None,
) -> Checkpoints | None:
    """Return the checkpoints of this very job, None if it has no place for any; `net` has its parameters' shapes."""
    folder = paths.checkpoints
    if folder is None:
        return None
    return Checkpoints(folder, identity(hyperparameters, channels, net, earlier, contract.pretrained_dir()))


def _start(checkpoints: Checkpoints | None) -> tuple[Progress, Arrays | None]:
    """Return how far the job is, and the state of the net and the optimizer there; None at the very beginning."""
    found = checkpoints.newest() if checkpoints else None
    if found:
        progress, state = found
        logger.info("Going on from a checkpoint: epoch %d, batch %d", progress.epoch, progress.batch)
        return progress, state
    return Progress(), None


def _events(paths: contract.Paths, hyperparameters: Hyperparameters) -> AbstractContextManager[EventLog | None]:
    """Return the log for TensorBoard if the job, or its configuration for the Debugger, asks for one."""
    asked = hyperparameters.tensorboard or paths.read_config("debughookconfig")
    return EventLog(paths.events) if asked else nullcontext()
