"""A worker process from the server's side: started, asked, ended."""

import pickle
import socket
import subprocess
import sys
from contextlib import suppress
from typing import TypeVar, cast

from ...contract import child_environment
from ...errors import ContainerError, WorkerLost
from . import protocol
from .protocol import Command, WorkerSettings

R = TypeVar("R")

_MIB = 1 << 20
# glibc gives arrays over the first size back to the system when they are freed, as those of a net that is unloaded. A
# picture's are smaller: to ask the system for them again each time would cost 0.4 ms a picture. MXNet keeps scratch
# memory of the largest layer's size for good: once will do for one pass at a time, and not four times.
_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(4 * _MIB),
    "MALLOC_TRIM_THRESHOLD_": str(32 * _MIB),
    "MXNET_CPU_TEMP_COPY": "1",
}
# What the kernel ends a process with when the container has no memory left.
_KILLED = -9


class WorkerProcess:
    """A process that computes, and the socket over which it is asked."""

    def __init__(self, settings: WorkerSettings) -> None:
        """Start the process. Raises WorkerLost if the system gives us none."""
        self._socket, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", f"{__package__}.worker", str(theirs.fileno()), settings.as_argument()],
                pass_fds=[theirs.fileno()],
                env=child_environment(OMP_NUM_THREADS=str(settings.threads), **_MEMORY),
                start_new_session=True,
            )
        except OSError as error:
            self._socket.close()
            raise WorkerLost("A worker process could not be started", str(error)) from error
        finally:
            theirs.close()
        self._stream = self._socket.makefile("rwb")

    @property
    def pid(self) -> int:
        """The number of the process."""
        return self._process.pid

    def call(self, command: Command[R], seconds: float) -> R:
        """Return the worker's reply.

        Raises the ContainerError with which it replies, and WorkerLost if its process ends or is silent for so long.
        """
        self._socket.settimeout(seconds)
        try:
            protocol.write(self._stream, command)
            reply = protocol.read(self._stream)
        except TimeoutError:
            what = f"The worker did not answer a {type(command).__name__} within {seconds:g} s"
            raise WorkerLost(what, command.if_lost) from None
        except (EOFError, OSError, pickle.UnpicklingError) as error:
            code = self._process.wait()
            do = "The container may lack memory for it" if code == _KILLED else ""
            raise WorkerLost(f"The worker's process ended with {code}", command.if_lost, do) from error
        if isinstance(reply, ContainerError):
            raise reply
        return cast(R, reply)

    def kill(self) -> None:
        """Kill the process; whoever waits for its reply gets WorkerLost."""
        self._process.kill()

    def end(self, seconds: float) -> None:
        """End the process, at the latest after so long; it ends by itself when it sees its connection close."""
        # What the stream still holds, if the worker hung, has nowhere to go: to write it is not waited for again.
        with suppress(OSError):
            self._socket.settimeout(0)
            self._stream.close()
        self._socket.close()
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
