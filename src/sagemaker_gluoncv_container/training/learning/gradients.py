"""Names gradients that vanish or explode, in the words of the job's log.

SageMaker Debugger's rules are the model: VanishingGradient, whose default threshold is 1e-7, and ExplodingTensor, which
looks for NaN and infinity. Growth by orders of magnitude is ours: it warns before the figures are lost.
"""

import math
import statistics
from collections import deque
from collections.abc import Mapping, Sequence

from ...errors import some

# An L2 norm below this moves no float32 weight.
VANISHING = 1e-7
# Times the median of the earlier observations; a spike of ten is an ordinary batch, of a thousand is not.
EXPLODING = 1e3
# Small gradients may grow a lot while a learning rate warms up. Below this norm that does no harm.
_HARMLESS = 1.0
# As many observations in a row make a gradient vanished, and as many earlier ones make a usual size to grow from.
OBSERVATIONS = 3
_REMEMBERED = 20
_BROKEN = "exploded: NaN or infinite. Lower learning_rate, or add warmup_epochs"
_GROWN = f"explode: over {EXPLODING:g} times their usual size. Lower learning_rate, or add warmup_epochs"
_GONE = f"vanish: below {VANISHING:g} for {OBSERVATIONS} observations. These weights no longer learn"


def gradient_faults(norms: Mapping[str, float], earlier: Sequence[Mapping[str, float]] = ()) -> list[str]:
    """Return what is wrong with the gradients, a sentence for each kind of fault, none if nothing is.

    `norms` are L2 norms of gradients by the parameters' names; `earlier` are those of the observations before, oldest
    first. With none of them, only what is not finite can be told.
    """
    return [_sentence(names, what) for what, names in _found(norms, earlier).items() if names]


def _found(norms: Mapping[str, float], earlier: Sequence[Mapping[str, float]]) -> dict[str, list[str]]:
    """Return the parameters' names by what is wrong with them."""
    broken = [name for name, norm in norms.items() if not math.isfinite(norm)]
    return {
        _BROKEN: broken,
        _GROWN: [name for name in norms if name not in broken and _has_exploded(norms[name], _past(name, earlier))],
        _GONE: [name for name in norms if _has_vanished([*_past(name, earlier), norms[name]])],
    }


def _past(name: str, earlier: Sequence[Mapping[str, float]]) -> list[float]:
    return [norms[name] for norms in earlier if name in norms]


def _has_exploded(norm: float, past: list[float]) -> bool:
    usual = [each for each in past if math.isfinite(each)]
    return len(usual) >= OBSERVATIONS and norm > max(_HARMLESS, EXPLODING * statistics.median(usual))


def _has_vanished(observed: list[float]) -> bool:
    last = observed[-OBSERVATIONS:]
    return len(last) == OBSERVATIONS and all(norm < VANISHING for norm in last)


def _sentence(names: Sequence[str], what: str) -> str:
    return f"The gradients of {some(names)} {what}"


class GradientWatch:
    """Remembers the observations of a job, and says of each parameter once what is wrong with it."""

    def __init__(self) -> None:
        self._earlier: deque[Mapping[str, float]] = deque(maxlen=_REMEMBERED)
        self._said: set[tuple[str, str]] = set()

    def faults(self, norms: Mapping[str, float]) -> list[str]:
        """Return what is wrong and was not said before; `norms` are L2 norms by the parameters' names."""
        found = _found(norms, self._earlier)
        self._earlier.append(dict(norms))
        new = {what: [name for name in names if (name, what) not in self._said] for what, names in found.items()}
        self._said |= {(name, what) for what, names in new.items() for name in names}
        return [_sentence(names, what) for what, names in new.items() if names]
