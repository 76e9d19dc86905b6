"""A worker process: holds the nets and computes. It speaks with the server over one connection (protocol.py) alone.

The connection's end is the worker's end. Signals are the server's business: a worker that died of the SIGTERM that its
server got would lose the requests which the server still wants answered.
"""

import ctypes
import gc
import os
import pickle
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from ... import artifact
from ...errors import ContainerError, ModelNotFound
from ...inference import openvino_net
from ...inference.answers import Answers
from ...inference.predictor import Predictor
from .protocol import Loaded

_NICENESS = 10
# What a model from elsewhere makes an engine raise.
_LOAD_ERRORS = (RuntimeError, OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def main() -> None:
    """Serve the connection whose descriptor is the first argument.

    The others are how many threads to use, how many for a picture that comes alone, the precision that is asked for,
    and the number of the GPU to compute on; without it that is the CPU.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Where cores are few, what computes must not keep the front from answering pings and refusing what is too much.
    os.nice(_NICENESS)
    descriptor, threads, lone_threads, precision, *gpu = sys.argv[1:]
    connection = socket.socket(fileno=int(descriptor)).makefile("rwb")
    models = _Models(int(threads), int(lone_threads), precision, int(gpu[0]) if gpu else None)
    if not gpu:
        openvino_net.read_libraries()
        _return_memory()
    while True:
        try:
            pickle.dump(models.answer(*pickle.load(connection)), connection, pickle.HIGHEST_PROTOCOL)
            connection.flush()
        except (EOFError, pickle.UnpicklingError, BrokenPipeError, ConnectionResetError):
            # The server is gone. Not sys.exit: MXNet's own teardown can hang, and there is nothing to save.
            os._exit(0)


class _Models:
    """The loaded models, and the answers to the server's commands."""

    def __init__(self, threads: int, lone_threads: int, precision: str, gpu: int | None) -> None:
        self._threads, self._lone_threads, self._precision, self._gpu = threads, lone_threads, precision, gpu
        self._predictors: dict[str, Predictor] = {}

    def answer(self, command: str, name: str, *rest: Any) -> Any:
        if command == "predict":
            if name in self._predictors:
                return self._predictors[name].predict(*rest)
            return Answers([ModelNotFound.named(name)] * len(rest[0]), 0, 0)
        if command == "load":
            return self._load(name, *rest)
        if command == "measure":
            measured = self._predictors[name].engine.measure(*rest)
            _return_memory()
            return measured
        if command == "unload" and name in self._predictors:
            self._predictors.pop(name).engine.close()
            _return_memory()
        return None

    def _load(self, name: str, directory: str, preprocessing: dict[str, Any]) -> Loaded | ContainerError:
        try:
            found = artifact.load(Path(directory), preprocessing)
            predictor = Predictor(found, self._threads, self._precision, self._gpu, self._lone_threads)
        except ContainerError as error:
            return error
        except _LOAD_ERRORS as error:
            return ContainerError(f"the model in {directory} cannot be loaded", str(error).strip().splitlines()[-1])
        self._predictors[name] = predictor
        _return_memory()
        return Loaded(predictor.engine.name, predictor.engine.precision, predictor.why)


def _return_memory() -> None:
    """Give freed memory back to the system, which glibc would keep: loading frees as much as the net takes."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    main()
