"""Decoding within the container's memory: large pictures take turns, and one that cannot fit is refused.

Most pictures take so little that nobody asks. A larger one is decoded at once if all decoders of the container could
do the same at the same time in a quarter of the memory that is free. Any other waits until it has the container's one
turn, which all its processes share, and may then take half of what is free. So whatever is decoded at once takes three
quarters at most, and the kernel kills nobody; the last quarter is for the bytes of requests.
"""

import fcntl
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .. import machine
from ..errors import Overloaded, PictureTooLarge

# What a picture of 2 megapixels takes, bytes: asking costs more than it is worth.
UNASKED_BYTES = 8 << 20
# Of the free memory: what all decoders may take at once without a turn, and what the one whose turn it is may take.
_TOGETHER, _ALONE = 1 / 4, 1 / 2
_POLL_SECONDS = 0.02
# Whoever has the turn waits so long for others to give memory back.
_PATIENCE_SECONDS = 1.0
_MB = 1 << 20

_decoders = max(1, math.ceil(machine.cpu_count()))


def expect(decoders: int) -> None:
    """Say how many pictures the container may decode at once, in all its processes; by default as many as CPUs."""
    global _decoders
    _decoders = max(1, decoders)


@contextmanager
def taking(cost: int, picture: str, deadline: float | None = None) -> Iterator[None]:
    """Decode within this: wait until the memory for it, `cost` bytes, may be taken.

    `picture` is what to call it in a message; `deadline`, of time.monotonic(), ends the wait. Raises PictureTooLarge
    if the container has not so much memory, Overloaded after the deadline.
    """
    if cost <= UNASKED_BYTES or cost * _decoders <= machine.memory_available() * _TOGETHER:
        yield
        return
    # Any file that all processes see will do, also on a read-only disk; the lock ends with the process.
    with Path(__file__).open("rb") as file:
        _wait_for_turn(file, deadline)
        _wait_for_memory(cost, picture)
        yield


def _wait_for_turn(file: BinaryIO, deadline: float | None) -> None:
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if deadline is not None and time.monotonic() > deadline:
                what = "The picture had to wait too long for memory"
                raise Overloaded(what, "Other large pictures are being decoded", "Try again later") from None
            time.sleep(_POLL_SECONDS)


def _wait_for_memory(cost: int, picture: str) -> None:
    end = time.monotonic() + _PATIENCE_SECONDS
    while cost > (spare := int(machine.memory_available() * _ALONE)):
        if time.monotonic() > end:
            why = (
                f"To decode {picture} takes {math.ceil(cost / _MB):,} MB, and {max(0, spare // _MB):,} MB can be spared"
            )
            do = "Make the picture smaller, send it as JPEG, or give the container more memory"
            raise PictureTooLarge("The picture is too large for the memory of this container", why, do)
        time.sleep(_POLL_SECONDS)
