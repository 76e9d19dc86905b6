"""queue: what waits, and the batches in which it is taken."""

import threading
import time

import pytest

from sagemaker_gluoncv_container.errors import Overloaded, TimeIsOver
from sagemaker_gluoncv_container.serving.workers.queue import Task, TaskQueue

SIZE = 6
BATCH_SIZE = 3
HEARTBEAT_SECONDS = 1.0


@pytest.fixture
def queue() -> TaskQueue:
    """Return a queue that no worker takes from."""
    return TaskQueue(SIZE, BATCH_SIZE, workers=1)


def task(picture: str, model: str = "", seconds: float = 60, is_wanted: bool = True) -> Task:
    """Return a task with so much time left."""
    return Task(model, picture.encode(), time.monotonic() + seconds, lambda: is_wanted)


def take(queue: TaskQueue, is_called: bool = False) -> str:
    """Return the pictures of the next batch, one letter each, as a worker would be given them."""
    batch = queue.take(HEARTBEAT_SECONDS, lambda: is_called)
    return b"".join(task.picture for task in batch.tasks).decode() if batch else ""


def test_batches(queue: TaskQueue) -> None:
    """What waits is taken in order, up to a batch at a time."""
    queue.submit([task(letter) for letter in "abcde"])
    assert [take(queue), take(queue)] == ["abc", "de"]


def test_a_share_for_each_worker() -> None:
    """A worker leaves to the others their share of what waits."""
    queue = TaskQueue(SIZE, BATCH_SIZE, workers=2)
    queue.submit([task(letter) for letter in "abcde"])
    assert [take(queue) for _ in range(4)] == ["abc", "d", "e", ""]


def test_a_batch_is_for_one_model(queue: TaskQueue) -> None:
    """A batch is for one model; what is for others keeps its place."""
    queue.submit([task(letter, model) for letter, model in zip("abcdef", "xyxzxy", strict=True)])
    assert [take(queue) for _ in range(3)] == ["ace", "bf", "d"]


def test_a_full_queue(queue: TaskQueue) -> None:
    """Tasks for which there is no room are refused, all of them, and what waits stays."""
    queue.submit([task(letter) for letter in "abcd"])
    with pytest.raises(Overloaded, match="4 pictures are waiting already. The queue holds 6"):
        queue.submit([task(letter) for letter in "xyz"])
    queue.submit([task(letter) for letter in "ef"])
    assert take(queue) + take(queue) == "abcdef"


def test_what_nobody_wants_is_dropped(queue: TaskQueue) -> None:
    """A task whose time is over or whose client is gone is not computed, and takes no place in a batch."""
    late, gone = task("l", seconds=-1), task("g", is_wanted=False)
    queue.submit([late, task("a"), gone, task("b"), task("c")])
    assert take(queue) == "abc"
    assert isinstance(late.answer.exception(0), TimeIsOver)
    assert gone.answer.cancelled()


def test_an_idle_worker_is_let_go_now_and_then(queue: TaskQueue) -> None:
    """With nothing to do take() returns, so that the worker can be asked whether it lives; with a command at once."""
    assert take(queue) == ""
    began = time.monotonic()
    assert take(queue, is_called=True) == ""
    assert time.monotonic() < began + 0.5


def test_stopping(queue: TaskQueue) -> None:
    """When the time to finish is over, what waits is refused with 503, and so is what comes."""
    waiting = task("a")
    queue.submit([waiting])
    queue.finish(0.05)
    error = waiting.answer.exception(10)
    assert isinstance(error, Overloaded)
    assert error.status == 503
    with pytest.raises(Overloaded, match="The server is stopping"):
        queue.submit([task("b")])


def test_alone(queue: TaskQueue) -> None:
    """A task is alone if it is the only one of its batch, none waits, and no other batch is being computed."""

    def is_alone() -> bool:
        batch = queue.take(HEARTBEAT_SECONDS, lambda: False)
        assert batch
        return batch.alone

    queue.submit([task("a")])
    assert is_alone()
    queue.submit([task("b")])
    assert not is_alone()
    queue.done()
    queue.done()
    queue.submit([task("c"), task("d", model="other")])
    assert [is_alone(), is_alone()] == [False, False]
    queue.done()
    queue.done()
    queue.submit([task("e"), task("f")])
    assert not is_alone()


def idle_worker(queue: TaskQueue, taken: list[str], name: str, seconds: float) -> threading.Thread:
    """Return a thread that waits for a batch, at most so long, and then adds its name to `taken`."""
    asked = threading.Event()

    def is_called() -> bool:
        asked.set()
        return False

    def work() -> None:
        if queue.take(seconds, is_called):
            taken.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    # Asked with the queue's lock held, which it lets go only when it is idle.
    assert asked.wait(10)
    return thread


def test_the_last_worker_to_idle_is_the_next_to_work(queue: TaskQueue) -> None:
    """Of several idle workers the one that computed last gets the next task, so that the others' cores can sleep."""
    taken: list[str] = []
    workers = [idle_worker(queue, taken, name, 30) for name in ("first", "second")]
    for each, letter in zip(reversed(workers), "ab", strict=True):
        queue.submit([task(letter)])
        each.join(10)
    assert taken == ["second", "first"]


def test_a_task_that_comes_as_a_worker_stops_waiting(queue: TaskQueue) -> None:
    """A worker whose time to wait is over just as a task is queued for it takes that task."""
    taken: list[str] = []
    worker = idle_worker(queue, taken, "late", 0.05)

    def is_called() -> bool:
        # With the lock held: the worker's time ends, but it cannot go on before the task is there.
        time.sleep(0.5)
        queue.submit([task("a")])
        return True

    assert queue.take(HEARTBEAT_SECONDS, is_called) is None
    worker.join(10)
    assert taken == ["late"]
