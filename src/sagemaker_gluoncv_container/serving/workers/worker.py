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

from ... import model_folder
from ...decoding import turns
from ...errors import ContainerError, ModelNotFound, NoMemory
from ...inference import openvino_net
from ...inference.answers import Predictions
from ...inference.predictor import Predictor
from . import protocol
from .protocol import Command, Load, Loaded, Predict, Unload, WorkerSettings

_NICENESS = 10
# What a model from elsewhere makes an engine raise.
_LOAD_ERRORS = (RuntimeError, OSError, ValueError, TypeError, LookupError, AttributeError, AssertionError)


def main() -> None:
    """Serve the connection whose descriptor is the first argument, with the WorkerSettings that are the second."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Where cores are few, what computes must not keep the front from answering pings and refusing what is too much.
    os.nice(_NICENESS)
    descriptor, argument = sys.argv[1:]
    given = socket.socket(fileno=int(descriptor))
    # The server never blocks on a socket, and made this one: what holds for its owner there would hold here.
    given.setblocking(True)
    connection = given.makefile("rwb")
    settings = WorkerSettings.from_argument(argument)
    turns.expect(settings.decoders)
    if settings.gpu is None:
        openvino_net.read_libraries()
        _return_memory()
    predictors = Predictors(settings)
    while True:
        try:
            protocol.write(connection, predictors.reply(protocol.read(connection)))
        except (EOFError, pickle.UnpicklingError, BrokenPipeError, ConnectionResetError):
            # The server is gone. Not sys.exit: MXNet's own teardown can hang, and there is nothing to save.
            os._exit(0)


class Predictors:
    """The loaded models, and the replies to the server's commands."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._settings = settings
        self._loaded: dict[str, Predictor] = {}

    def reply(self, command: Command[object]) -> object:
        """Do what a command says, and return the reply to it; an error that is the model's fault is a reply, too."""
        if isinstance(command, Predict):
            return self._predict(command)
        if isinstance(command, Load):
            return self._load(command)
        if isinstance(command, Unload) and command.name in self._loaded:
            self._loaded.pop(command.name).close()
            _return_memory()
        return None

    def _predict(self, command: Predict) -> Predictions:
        if command.name in self._loaded:
            return self._loaded[command.name].predict(command.pictures, command.alone)
        # Its model was unloaded while it waited.
        return Predictions([ModelNotFound.named(command.name)] * len(command.pictures), 0, 0)

    def _load(self, command: Load) -> Loaded | ContainerError:
        asked = self._settings
        try:
            found = model_folder.load(Path(command.directory), command.preprocessing)
            predictor = Predictor(
                found, asked.threads, asked.precision, asked.gpu, command.lone_threads, command.measure
            )
        except ContainerError as error:
            return error
        except MemoryError:
            return NoMemory(f"The model in {command.directory} does not fit into memory", do="Use a larger instance")
        except _LOAD_ERRORS as error:
            reason = str(error).strip().splitlines() or [type(error).__name__]
            return ContainerError(
                f"The model in {command.directory} cannot be loaded", f"The engine says: {reason[-1]}"
            )
        self._loaded[command.name] = predictor
        _return_memory()
        return Loaded(predictor.engine.name, predictor.engine.precision, predictor.why, predictor.measured)


def _return_memory() -> None:
    """Give freed memory back to the system, which glibc would keep: loading frees as much as the net takes."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)


if __name__ == "__main__":
    main()
