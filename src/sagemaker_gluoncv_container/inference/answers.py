"""What a worker finds out: the probabilities of a batch of pictures, and how fast a net is."""

from dataclasses import dataclass

from ..arrays import Floats
from ..errors import ContainerError

Result = Floats | ContainerError


@dataclass(frozen=True)
class Predictions:
    """The result of a batch: for each picture its probabilities, float32 (classes,), or why there are none."""

    results: list[Result]
    decode_seconds: float
    compute_seconds: float


@dataclass(frozen=True)
class Measured:
    """How many seconds a picture takes by the number of threads, and how many threads compute one that comes alone."""

    seconds: dict[int, float]
    threads: int

    def __str__(self) -> str:
        """Return the figures for the log."""
        figures = ", ".join(f"{1000 * seconds:.1f} ms with {threads}" for threads, seconds in self.seconds.items())
        return f"{self.threads} ({figures})"
