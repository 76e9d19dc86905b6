"""A worker process: holds the nets and computes. It speaks with the server over one connection (protocol.py) alone.

The connection's end is the worker's end. Signals are the server's business: a worker that died of the SIGTERM that its
server got would lose the requests which the server still wants answered.
"""

import os
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import mxnet as mx
from mxnet.base import MXNetError

from .. import artifact
from ..errors import ContainerError, ModelNotFound
from .predictor import Predictor, return_memory, warm_up
from .protocol import Answers

_NICENESS = 10
# What a model from elsewhere makes MXNet raise.
_LOAD_ERRORS = (MXNetError, OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def main() -> None:
    """Serve the connection whose descriptor is the first argument, with as many threads as the second says.

    A third is the number of the GPU to compute on; without it that is the CPU.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Where cores are few, what computes must not keep the front from answering pings and refusing what is too much.
    os.nice(_NICENESS)
    connection, threads = Connection(int(sys.argv[1])), int(sys.argv[2])
    context = mx.gpu(int(sys.argv[3])) if len(sys.argv) > 3 else mx.cpu()
    predictors: dict[str, Predictor] = {}
    warm_up(context)
    while True:
        try:
            command, name, *rest = connection.recv()
            connection.send(_answer(predictors, threads, context, command, name, *rest))
        except (EOFError, BrokenPipeError, ConnectionResetError):
            # The server is gone. Not sys.exit: MXNet's own teardown can hang, and there is nothing to save.
            os._exit(0)


def _answer(
    predictors: dict[str, Predictor], threads: int, context: mx.Context, command: str, name: str, *rest: Any
) -> Any:
    if command == "predict":
        if name in predictors:
            return predictors[name].predict(*rest)
        return Answers([ModelNotFound.named(name)] * len(rest[0]), 0, 0)
    if command == "ping":
        return None
    if command == "unload":
        predictors.pop(name, None)
        return_memory(context)
        return None
    directory, preprocessing = rest
    try:
        predictors[name] = Predictor(artifact.load(Path(directory), preprocessing), threads, context)
    except ContainerError as error:
        return error
    except _LOAD_ERRORS as error:
        return ContainerError(f"the model in {directory} cannot be loaded", str(error).strip().splitlines()[-1])
    return None


if __name__ == "__main__":
    main()
