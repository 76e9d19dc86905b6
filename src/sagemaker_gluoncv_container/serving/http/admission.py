"""Which bodies are read: no larger than the limit, and together no more than the memory there is."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ... import machine
from ...errors import Overloaded, PayloadTooLarge

# A body lies in memory up to so many times: as it came, as the pictures in it, and in the worker that computes them.
COPIES = 3
# The bodies' share of the memory that is free; decoding and computing need the rest.
SHARE = 0.5
# Larger bodies leave this part of their share to small ones, so that uploads do not keep pictures away.
_LARGE_BYTES, _LARGE_SHARE = 1 << 20, 0.75
# How old the number of free bytes may be.
_FRESH_SECONDS = 1.0
_MIB = 1 << 20


class Memory:
    """The memory for bodies. What is promised to them and what has come are counted apart, in bytes."""

    def __init__(self, available: Callable[[], int] = machine.memory_available) -> None:
        self._available = available
        self._promised, self._received = 0, 0
        self._capacity, self._measured = 0, float("-inf")

    @property
    def capacity(self) -> int:
        """How many bytes of bodies there may be at a time, each body counted once."""
        now = time.monotonic()
        if now - self._measured > _FRESH_SECONDS:
            # What bodies take already is not free any more, but it is theirs.
            free = self._available() + self._received
            self._capacity, self._measured = int(SHARE * free / COPIES), now
        return self._capacity

    def promise(self, count: int, size: int) -> None:
        """Promise so many more bytes to a body that is `size` bytes long, as far as that is known.

        Raises Overloaded, or PayloadTooLarge if it would not fit even alone.
        """
        capacity = self.capacity if size <= _LARGE_BYTES else int(_LARGE_SHARE * self.capacity)
        if size > capacity and size > _LARGE_BYTES:
            raise PayloadTooLarge(
                f"The body of {size / _MIB:.1f} MiB does not fit into this container's memory",
                f"There is room for {capacity / _MIB:.1f} MiB",
                "Send less at a time, or take an instance with more memory",
            )
        if self._promised + count > capacity:
            raise Overloaded(
                "There is no memory for one more body now",
                f"{self._promised / _MIB:.1f} MiB of bodies are being read or answered, and there is room for "
                f"{capacity / _MIB:.1f} MiB",
                "Try again a little later, or take an instance with more memory",
            )
        self._promised += count

    def received(self, count: int) -> None:
        """Count bytes that have come."""
        self._received += count

    def give_back(self, promised: int, received: int) -> None:
        """Count bytes that are not needed any more."""
        self._promised -= promised
        self._received -= received


class Place:
    """What one body has been promised, and what of it has come."""

    def __init__(self, memory: Memory, limit: int) -> None:
        self._memory, self._limit = memory, limit
        self.promised, self.received = 0, 0

    def promise(self, count: int) -> None:
        """Get room for so many more bytes. Raises Overloaded, PayloadTooLarge."""
        self._memory.promise(count, self.promised + count)
        self.promised += count

    def receive(self, count: int) -> None:
        """Count bytes that have come. Raises PayloadTooLarge if they are over the limit."""
        self.received += count
        self._memory.received(count)
        self.check(self.received)

    def check(self, size: int) -> None:
        """Raise PayloadTooLarge if a size is over the limit."""
        if size > self._limit:
            raise PayloadTooLarge(f"The body is over {self._limit // _MIB} MiB")


class Admission:
    """Admits bodies of up to `limit` bytes."""

    def __init__(self, limit: int, memory: Memory) -> None:
        self._limit, self._memory = limit, memory

    @contextmanager
    def place(self, length: int | None) -> Iterator[Place]:
        """Yield the place of a body of that length; of one whose length is not known, a place that has to grow.

        Raises PayloadTooLarge, Overloaded, before anything of the body is read.
        """
        place = Place(self._memory, self._limit)
        place.check(length or 0)
        place.promise(length or 0)
        try:
            yield place
        finally:
            self._memory.give_back(place.promised, place.received)
