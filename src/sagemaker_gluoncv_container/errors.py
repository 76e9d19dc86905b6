"""Every error that this image raises on purpose.

    ContainerError              what, why, what to do
    +-- ClientError             the user can fix it: the job exits with 2
    +-- AlgorithmError          the user cannot: the job exits with 1
    +-- InvocationError         a request that gets no answer: carries its HTTP status
        +-- NotAcceptable       406
        +-- UnsupportedContent  415  a content type that is not taken
        +-- UnreadablePicture   415  bytes that are not a whole picture
        |   +-- PictureTooLarge 415  too many pixels, or too few bytes of memory for them
        +-- BadRequest          400  empty, or not of the form that its content type says
        +-- PayloadTooLarge     413
        +-- ModelNotFound       404
        +-- ModelLoaded         409  already
        +-- NoMemory            507  for one more model
        +-- NotReady            503  no worker has a model loaded yet
        +-- Overloaded          503  the queue is full
        +-- TimeIsOver          503  it was not this request's turn in time
        +-- WorkerLost          500  the process that computed it died or hung

A message says what is wrong, why, and what to do next, in that order: a whole sentence each, with a capital.
"""

from collections.abc import Sequence

# How many names a message gives.
_NAMED = 5


def some(names: Sequence[str], most: int = _NAMED, separator: str = ", ") -> str:
    """Return the first few names, and how many more there are."""
    more = f"{separator.rstrip(', ')} and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more if names else "nothing"


def sentences(*parts: str) -> str:
    """Return the parts, each with the full stop that it may lack, as one line; empty parts are left out."""
    return " ".join(part if part.endswith((".", "?", "!")) else f"{part}." for part in map(str.strip, parts) if part)


class ContainerError(Exception):
    """An error with a message that a person can act upon."""

    def __init__(self, what: str, why: str = "", do: str = "") -> None:
        self.what, self.why, self.do = what, why, do
        super().__init__(sentences(what, why, do))


class ClientError(ContainerError):
    """The user can fix this; the job ends with exit code 2."""

    exit_code = 2

    @classmethod
    def of(cls, faults: "Sequence[ContainerError]") -> "ClientError":
        """Return one error that names every fault, so that a job need not fail once for each."""
        if len(faults) == 1:
            return cls(faults[0].what, faults[0].why, faults[0].do)
        return cls(f"{len(faults)} faults", " ".join(f"({n}) {fault}" for n, fault in enumerate(faults, 1)))


class AlgorithmError(ContainerError):
    """The user cannot fix this; the job ends with exit code 1."""

    exit_code = 1


class InvocationError(ContainerError):
    """A request that gets no answer; `status` is its HTTP status."""

    status = 400


class NotAcceptable(InvocationError):
    """None of the formats in the Accept header can be given."""

    status = 406


class UnsupportedContent(InvocationError):
    """The Content-Type is not one that this endpoint takes."""

    status = 415


class UnreadablePicture(InvocationError):
    """The bytes are not a picture, or not a whole one."""

    status = 415


class PictureTooLarge(UnreadablePicture):
    """The picture has more pixels than are decoded, or than there is memory for."""


class BadRequest(InvocationError):
    """The body is empty, or not of the form that its content type says."""


class PayloadTooLarge(InvocationError):
    """The body is over the limit."""

    status = 413


class ModelNotFound(InvocationError):
    """No model of that name is loaded."""

    status = 404

    @classmethod
    def named(cls, name: str) -> "ModelNotFound":
        """Return the error for a name."""
        return cls(f"Model {name!r} is not loaded", do="Load it with POST /models")


class ModelLoaded(InvocationError):
    """A model of that name is loaded already."""

    status = 409


class NoMemory(InvocationError):
    """One more model does not fit into memory."""

    status = 507


class NotReady(InvocationError):
    """The model is still being loaded."""

    status = 503


class Overloaded(InvocationError):
    """The queue is full."""

    status = 503


class TimeIsOver(InvocationError):
    """A request's turn did not come in time."""

    status = 503


class WorkerLost(InvocationError):
    """The worker process that had the picture died or hung."""

    status = 500
