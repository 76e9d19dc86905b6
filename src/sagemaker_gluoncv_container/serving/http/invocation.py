"""One invocation: from the request to its answer, by way of the workers."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace

from flask import Request, Response

from ...errors import ContainerError, Overloaded, TimeIsOver, WorkerLost
from ...inference.answers import Result
from .. import metrics
from ..settings import ServingSettings
from ..workers.models import Models
from ..workers.queue import Answer, Task
from ..workers.registry import Model
from . import bodies
from .bodies import Shape
from .connection import BODY, Connection
from .negotiation import AnswerFormat, negotiate

logger = logging.getLogger(__name__)

ATTRIBUTES, INFERENCE_ID = "X-Amzn-SageMaker-Custom-Attributes", "X-Amzn-SageMaker-Inference-Id"
# Of a request with many pictures this many batches a worker are queued at a time, so that others get their turn.
_BATCHES_AHEAD = 2


class Invocations:
    """Answers requests for the loaded models."""

    def __init__(self, settings: ServingSettings, models: Models) -> None:
        self._settings, self._models = settings, models

    def answer(self, request: Request, name: str, note: dict[str, object]) -> Response:
        """Return the answer to a request for a model; `note` gets what the log should say of it.

        Type and Accept are checked before anything is computed. Raises InvocationError.
        """
        model = self._models.get(name, use=True)
        # The front has read it; where there is none, as in a test, the request does.
        data = request.environ.get(BODY) or request.get_data(cache=False)
        body = bodies.parse_body(request.headers.get("Content-Type", ""), data)
        wanted = self._format(request, model, body.shape)
        note["bytes"] = len(data)
        client: Connection | None = request.environ.get("gunicorn.socket")
        is_wanted = client.is_open if client else lambda: True
        results = self._in_turn((self._task(model, picture, is_wanted) for picture in body.pictures), note)
        if body.shape is not Shape.ONE:
            return Response(wanted.many(results, body.shape), content_type=wanted.content_type)
        result = next(results)
        if isinstance(result, ContainerError):
            raise result
        return Response(wanted.one(result), content_type=wanted.content_type)

    def _format(self, request: Request, model: Model, shape: Shape) -> AnswerFormat:
        accept = request.headers.get("Accept", "*/*")
        accept = self._settings.default_accept if accept.strip() in ("", "*/*") else accept
        attributes = request.headers.get(ATTRIBUTES, "")
        wanted = negotiate(accept, attributes, self._settings.batch_transform, shape)
        return replace(wanted, classes=model.artifact.description.classes)

    def _task(
        self, model: Model, picture: bytes | ContainerError, is_wanted: Callable[[], bool]
    ) -> Task | ContainerError:
        """Return a task whose time begins now: of a request with many pictures each has its own."""
        if isinstance(picture, ContainerError):
            return picture
        return Task(model.name, picture, time.monotonic() + self._settings.timeout_seconds, is_wanted)

    def _in_turn(self, tasks: Iterator[Task | ContainerError], note: dict[str, object]) -> Iterator[Result]:
        """Yield the results of tasks in order, a bounded number of them queued at a time."""
        ahead = _BATCHES_AHEAD * self._settings.batch_size * self._settings.workers
        window: deque[Task | ContainerError] = deque()
        for number, task in enumerate(tasks):
            # One that has begun waits when the queue is full, first for its own pictures; it must not fail half-way.
            while len(window) >= ahead or not self._submitted(task, bool(window), has_begun=number > 0):
                yield _result(window.popleft(), note)
            window.append(task)
        while window:
            yield _result(window.popleft(), note)

    def _submitted(self, task: Task | ContainerError, has_others: bool, has_begun: bool) -> bool:
        """Queue a task. Without room return False if others of the request are in the queue, else wait, or at first
        raise Overloaded.
        """
        if isinstance(task, ContainerError):
            return True
        try:
            self._models.dispatcher.queue.submit([task], task.deadline if has_begun and not has_others else None)
        except Overloaded:
            if has_others:
                return False
            raise
        return True


def _result(task: Task | ContainerError, note: dict[str, object]) -> Result:
    if isinstance(task, ContainerError):
        return task
    try:
        answer = task.answer.result(max(0.0, task.deadline - time.monotonic()))
    except TimeoutError:
        raise TimeIsOver(
            "The answer was not ready in time", do="Try again, or raise SAGEMAKER_MODEL_SERVER_TIMEOUT"
        ) from None
    except CancelledError:
        raise TimeIsOver("The client has gone") from None
    # These are not the picture's fault: the whole request fails.
    except (Overloaded, TimeIsOver, WorkerLost):
        raise
    except ContainerError as error:
        return error
    _note(answer, note)
    return answer.probabilities


def _note(answer: Answer, note: dict[str, object]) -> None:
    metrics.QUEUED.observe(answer.queued)
    metrics.DECODING.observe(answer.decoding)
    metrics.COMPUTING.observe(answer.computing)
    note["batch"] = answer.batch
    for name, seconds in (("queue", answer.queued), ("decode", answer.decoding), ("compute", answer.computing)):
        note[f"{name}_ms"] = round(seconds * 1000, 1)
