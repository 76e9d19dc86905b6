"""What the server and its worker processes say to each other: one command, one reply, pickled over a socket.

    command     reply
    Ping        None: the worker is alive
    Load        Loaded
    Unload      None: the model's memory is free
    Predict     Predictions

Any command may get a ContainerError as its reply instead. The module is kept apart from the worker, so that the server
can read a reply without importing what computes.
"""

import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from io import BufferedRWPair
from typing import Any, ClassVar, Generic, TypeVar

from ...inference.answers import Measured, Predictions

R = TypeVar("R")


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker process is started with. `gpu` is the number of the GPU to compute on, None for the CPU.

    `decoders` is how many pictures all workers together may decode at once.
    """

    threads: int
    precision: str
    gpu: int | None = None
    decoders: int = 1

    def as_argument(self) -> str:
        """Return the settings as one argument of a command line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_argument(cls, argument: str) -> "WorkerSettings":
        """Return the settings that as_argument() wrote."""
        return cls(**json.loads(argument))


class Command(Generic[R]):
    """Something for a worker to do; R is the type of its reply. `if_lost` says what it costs if there is no reply."""

    if_lost: ClassVar[str] = ""


@dataclass(frozen=True)
class Ping(Command[None]):
    """Say that you are alive."""


@dataclass(frozen=True)
class Load(Command["Loaded"]):
    """Load a model from a directory; `preprocessing` replaces fields of its own.

    `lone_threads` compute a picture that comes alone; if `measure`, only as many of them as are found to be best.
    """

    name: str
    directory: str
    preprocessing: Mapping[str, Any]
    lone_threads: int
    measure: bool = False
    if_lost: ClassVar[str] = "The model was not loaded"


@dataclass(frozen=True)
class Loaded:
    """What a model is computed with, and why with that; `measured` if that was asked for and there was a choice."""

    engine: str
    precision: str
    why: str
    measured: Measured | None = None


@dataclass(frozen=True)
class Unload(Command[None]):
    """Give up a model and its memory. A model that is not loaded is no error."""

    name: str


@dataclass(frozen=True)
class Predict(Command[Predictions]):
    """Compute encoded pictures as one batch; `alone` if nothing else is being computed."""

    name: str
    pictures: list[bytes]
    alone: bool
    if_lost: ClassVar[str] = "The picture was not computed"


def write(stream: BufferedRWPair, message: object) -> None:
    """Write a command or a reply. Raises OSError."""
    pickle.dump(message, stream, pickle.HIGHEST_PROTOCOL)
    stream.flush()


def read(stream: BufferedRWPair) -> Any:
    """Return the next command or reply. Raises OSError, EOFError, or UnpicklingError if the other side is gone."""
    return pickle.load(stream)
