"""What a hyperparameter accepts, as data: the parser, the messages and the documentation are made from it.

A value is read as it is meant. Clients write whole numbers as `18.0`, flags as `1.0` or `True`, names as `Adam`, and
lists as `10,20`, `[10, 20]` or `10.0,20.0,`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """What one hyperparameter accepts.

    `parse` reads a text, and raises ValueError or OverflowError. `expected` completes the sentence "It must be ...".
    `low` and `high` bound a number, `choices` are the values where there are only a few. On a `log_scale` it is the
    order of magnitude that matters, as for a learning rate.
    """

    parse: Callable[[str], Any]
    expected: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Any, ...] = ()
    log_scale: bool = False


def whole_number(low: int, high: int | None = None, log_scale: bool = False) -> Range:
    """Return the range of whole numbers from `low` to `high`, both included, or without an upper end."""

    def parse(text: str) -> int:
        value = _whole(text)
        if value < low or (high is not None and value > high):
            raise ValueError
        return value

    expected = f"a whole number of at least {low}" if high is None else f"a whole number from {low} to {high}"
    return Range(parse, expected, low, high, log_scale=log_scale)


def number(low: float, high: float, log_scale: bool = False) -> Range:
    """Return the range of numbers from `low` to `high`, both included."""

    def parse(text: str) -> float:
        value = float(text)
        if not low <= value <= high:
            raise ValueError
        return value

    return Range(parse, f"a number from {low} to {high}", low, high, log_scale=log_scale)


def choice(*values: str) -> Range:
    """Return the range of a few names, in whichever case they are written."""

    def parse(text: str) -> str:
        if text.lower() not in values:
            raise ValueError
        return text.lower()

    return Range(parse, f"one of {', '.join(values)}" if values[1:] else values[0], choices=values)


def flag() -> Range:
    """Return the range of yes and no."""

    def parse(text: str) -> bool:
        known = {"false": False, "true": True}
        value = known[text.lower()] if text.lower() in known else float(text)
        if value not in (0, 1):
            raise ValueError
        return bool(value)

    return Range(parse, "0 or 1, False or True", choices=(False, True))


def layers(large: tuple[int, ...], small: tuple[int, ...]) -> Range:
    """Return the range of the numbers of layers: of the large nets, and of those for small pictures."""

    def parse(text: str) -> int:
        value = _whole(text)
        if value not in (*large, *small):
            raise ValueError
        return value

    expected = f"one of {', '.join(map(str, large))}, or for small pictures {', '.join(map(str, small))}"
    return Range(parse, expected, choices=(*large, *small))


def image_shape(least: int, least_small: int) -> Range:
    """Return the range of shapes (3, height, width) with sides from `least_small` pixels on.

    `least` is what the large nets need, which depends on another hyperparameter.
    """

    def parse(text: str) -> tuple[int, int, int]:
        channels, height, width = _wholes(text.replace("x", ","))
        if channels != 3 or min(height, width) < least_small:
            raise ValueError
        return channels, height, width

    expected = (
        f'"3,height,width" with sides of at least {least} pixels, like 3,224,224'
        f" (at least {least_small} with a num_layers for small pictures)"
    )
    return Range(parse, expected, low=least_small)


def epochs() -> Range:
    """Return the range of lists of epochs, which are sorted."""

    def parse(text: str) -> tuple[int, ...]:
        numbers = _wholes(text)
        if min(numbers) < 1:
            raise ValueError
        return tuple(sorted(numbers))

    return Range(parse, "epochs with commas between them, like 10,20", low=1)


def _whole(text: str) -> int:
    value = float(text)
    if value != int(value):
        raise ValueError
    return int(value)


def _wholes(text: str) -> list[int]:
    """Return the whole numbers of a list, in brackets or not; one comma may follow the last."""
    inner = text.strip().strip("[]()").strip().removesuffix(",")
    return [_whole(part.strip(" \"'")) for part in (inner.split(",") if "," in inner else inner.split() or [""])]
