"""The pictures that wait for a worker, and the batches in which workers take them.

There is one queue for all workers, so none idles while another has a backlog, as happens in servers whose workers
each accept connections of their own. A free worker takes its share of what waits, up to a batch: an idle server adds no
delay, and a busy one computes together what came in meanwhile.
"""

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field

from ...arrays import Floats
from ...errors import Overloaded, TimeIsOver
from .. import metrics


@dataclass(frozen=True)
class Answer:
    """The probabilities of one picture, float32 (classes,), and where its time went, in seconds."""

    probabilities: Floats
    queued: float
    decoding: float
    computing: float
    batch: int


@dataclass
class Task:
    """One picture to be computed. Dropped if, when its turn comes, its time is over or its client gone."""

    model: str
    picture: bytes
    deadline: float
    is_wanted: Callable[[], bool]
    created: float = field(default_factory=time.monotonic)
    answer: "Future[Answer]" = field(default_factory=Future)


@dataclass(frozen=True)
class TaskBatch:
    """Tasks for one model, to be computed together; `alone` if it is one, none waits, and nothing else is computed."""

    tasks: list[Task]
    alone: bool


class TaskQueue:
    """The tasks that wait, at most `size` of them, taken by so many workers in batches of up to `batch_size`."""

    def __init__(self, size: int, batch_size: int, workers: int) -> None:
        self._size, self._batch_size, self._workers = size, batch_size, workers
        self._waiting: deque[Task] = deque()
        self._computed = 0
        self._stopping = False
        # Conditions of one lock: one for those who wait for room, and one for each idle worker, the last to idle last.
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._idle: list[threading.Condition] = []
        metrics.QUEUE.set_function(lambda: len(self._waiting))

    def submit(self, tasks: list[Task], deadline: float | None = None) -> None:
        """Queue tasks, all or none; until the deadline (of time.monotonic) wait for room, without one not at all.

        Raises Overloaded if there is no room for them all.
        """
        with self._lock:
            if deadline is not None:
                self._room.wait_for(lambda: self._stopping or self._has_room(tasks), deadline - time.monotonic())
            if self._stopping:
                raise _stopping()
            if not self._has_room(tasks):
                raise Overloaded(
                    f"{len(self._waiting)} pictures are waiting already",
                    f"The queue holds {self._size}",
                    "Try again a little later, or give the endpoint more instances",
                )
            self._waiting.extend(tasks)
            # The worker that was the last to compute: its caches are warm.
            for _ in range(min(len(tasks), len(self._idle))):
                self._idle.pop().notify()

    def _has_room(self, tasks: list[Task]) -> bool:
        return len(self._waiting) + len(tasks) <= self._size

    def take(self, seconds: float, is_called: Callable[[], bool]) -> TaskBatch | None:
        """Return the next batch, which done() is to follow; None if none comes in time or the worker is called away."""
        mine = threading.Condition(self._lock)
        with self._lock:
            while True:
                batch: list[Task] = []
                later: deque[Task] = deque()
                # More than a share would make the last of it wait for the first, while other workers come free.
                share = math.ceil(len(self._waiting) / self._workers)
                while self._waiting and len(batch) < min(share, self._batch_size):
                    task = self._waiting.popleft()
                    if not _still_wanted(task):
                        continue
                    (batch if not batch or task.model == batch[0].model else later).append(task)
                self._waiting.extendleft(reversed(later))
                self._room.notify_all()
                if batch:
                    self._computed += 1
                    return TaskBatch(batch, alone=self._computed == 1 and len(batch) == 1 and not self._waiting)
                if is_called():
                    return None
                self._idle.append(mine)
                # Before the lock was ours again, a task may have come and taken us off: then it is for us to look.
                if not mine.wait(seconds) and mine in self._idle:
                    self._idle.remove(mine)
                    return None

    def done(self) -> None:
        """Say that a batch is computed."""
        with self._lock:
            self._computed -= 1

    def wake(self) -> None:
        """Have every worker that waits look whether it is called away."""
        with self._lock:
            while self._idle:
                self._idle.pop().notify()

    def finish(self, seconds: float) -> None:
        """Have what waits answered within that time; what then still waits is refused."""
        timer = threading.Timer(seconds, self._refuse_waiting)
        timer.daemon = True
        timer.start()

    def _refuse_waiting(self) -> None:
        with self._lock:
            self._stopping = True
            while self._waiting:
                self._waiting.popleft().answer.set_exception(_stopping())
            self._room.notify_all()


def _stopping() -> Overloaded:
    return Overloaded("The server is stopping", "There is no time left to answer", "Try again")


def _still_wanted(task: Task) -> bool:
    if time.monotonic() > task.deadline:
        task.answer.set_exception(TimeIsOver("The request waited too long", "Its time was over before its turn came"))
    elif not task.is_wanted():
        task.answer.cancel()
    else:
        return True
    metrics.DROPPED.inc()
    return False
