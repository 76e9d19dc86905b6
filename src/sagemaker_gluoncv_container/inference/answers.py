"""What computing a batch of pictures comes to."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import ContainerError

Result = NDArray[np.float32] | ContainerError


@dataclass(frozen=True)
class Answers:
    """What a batch came to: for each picture its probabilities, float32 (classes,), or why there are none."""

    each: list[Result]
    decode_seconds: float
    compute_seconds: float


@dataclass(frozen=True)
class Measured:
    """The seconds that a picture takes by the number of threads, and on how many one that comes alone is computed."""

    seconds: dict[int, float]
    threads: int

    def __str__(self) -> str:
        """Return the figures for the log."""
        figures = ", ".join(f"{1000 * seconds:.1f} ms with {threads}" for threads, seconds in self.seconds.items())
        return f"{self.threads} ({figures})"
