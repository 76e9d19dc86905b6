"""What computes a net, and the choice among what can."""

import logging
from typing import Protocol

from ..arrays import Floats, Pixels
from ..artifact import FLOAT32, INT8, Artifact
from ..errors import ClientError
from .answers import Measured

logger = logging.getLogger(__name__)

AUTO = "auto"
PRECISIONS = (AUTO, FLOAT32, INT8)


class Engine(Protocol):
    """A loaded net: its engine's name, and the precision in which it computes."""

    @property
    def name(self) -> str:
        """What the engine is called."""

    @property
    def precision(self) -> str:
        """float32 or int8."""

    def compute(self, pixels: Pixels, alone: bool = False) -> Floats:
        """Return the probabilities, float32 (n, classes), of pixels, uint8 (n, height, width, 3), RGB.

        `alone` if nothing else is being computed: then on the threads for lone pictures.
        """

    def measure(self, most: int) -> Measured | None:
        """Find out, and set, on how many threads, at most `most`, lone pictures are best computed; None: no choice."""

    def close(self) -> None:
        """Give back what would stay when the object is gone."""


def load(
    artifact: Artifact,
    precision: str = AUTO,
    threads: int = 1,
    gpu: int | None = None,
    lone_threads: int | None = None,
) -> tuple[Engine, str]:
    """Return the engine for an artifact, and why it is this one.

    On a CPU `threads` compute, and `lone_threads`, if they are given and the engine has the choice, a lone picture.
    Raises ClientError if int8 is asked for and cannot be had, ContainerError if the model cannot be loaded.
    """
    # Each engine is imported by those who use it: MXNet takes seconds and hundreds of megabytes.
    if gpu is None:
        from .engine_openvino import OpenVINOEngine
        from .translation import Untranslatable

        int8, why = _choice(artifact, precision)
        try:
            return OpenVINOEngine(artifact, int8, threads, lone_threads), why
        except Untranslatable as error:
            why = str(error)
    else:
        why = f"on GPU {gpu}"
    if precision == INT8:
        raise _no_int8(why, "Ask for auto or float32")
    from .engine_mxnet import MXNetEngine

    return MXNetEngine(artifact, gpu), why


def _choice(artifact: Artifact, precision: str) -> tuple[bool, str]:
    """Return whether to compute in int8, and why. Raises ClientError if that is asked for and cannot be had."""
    if precision == FLOAT32:
        return False, "as asked for"
    why_not = _obstacle(artifact)
    if precision == INT8 and why_not:
        raise _no_int8(why_not, "Ask for auto or float32, or run `sagemaker-gluoncv quantize`")
    if why_not:
        return False, why_not
    assert artifact.quantization
    return True, str(artifact.quantization)


def _no_int8(why: str, do: str) -> ClientError:
    return ClientError("The precision int8 was asked for", f"It cannot be had: {why}", do)


def _obstacle(artifact: Artifact) -> str | None:
    """Return why an artifact cannot be computed in int8 here, None if it can."""
    if artifact.quantization is None:
        return "the model was not calibrated for int8"
    if artifact.quantization.refused:
        return f"int8 was refused: {artifact.quantization.refused}"
    return None
