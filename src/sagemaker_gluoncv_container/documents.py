"""JSON files that may have been written by anyone: read strictly, and checked whole before anything uses them.

What a field may hold is said by a check, and checks are put together from smaller ones. Every fault names its field:

    size = record({"width": whole(1, 100), "name": text()})
    size({"width": "x", "name": "a"}, "size", faults)      # faults: size.width is 'x'. It must be a whole number ...
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from .errors import ClientError, sentences, some

# Takes a value, the name of its field, and the list to which faults are added; returns the value as it is to be used.
Check = Callable[[Any, str, list[str]], Any]

_MOST_BYTES = 64 << 20
_LARGEST_NUMBER = 3.4e38  # of a float32
_SHOWN_CHARACTERS = 60
_SHOWN_FAULTS = 3


def read(path: Path, check: Check, do: str) -> Any:
    """Return what a JSON file holds, checked. Raises ClientError that names every fault, and says what to `do`."""
    content = parse(path, do)
    faults: list[str] = []
    value = check(content, "", faults)
    if faults:
        raise ClientError(f"{path} is damaged", some(faults, _SHOWN_FAULTS, " "), do)
    return value


def parse(path: Path, do: str) -> Any:
    """Return what a JSON file holds, unchecked.

    Raises ClientError if it cannot be read, is too large or not JSON (NaN and Infinity are not), or has a field twice.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ClientError(f"{path} is damaged", f"It is larger than {_MOST_BYTES >> 20} MiB", do)
        return json.loads(path.read_text("utf-8-sig"), object_pairs_hook=_unique, parse_constant=_no_constant)
    except RecursionError as error:
        raise ClientError(f"{path} is damaged", "Its lists and objects are nested too deeply", do) from error
    except OSError as error:
        raise ClientError(f"{path} cannot be read", error.strerror or str(error), do) from error
    except ValueError as error:
        raise ClientError(f"{path} is damaged", f"It is not JSON: {error}", do) from error


def check_all(value: Any, check: Check, name: str = "") -> tuple[Any, str]:
    """Return a checked value, and its faults in one text, which is empty if the value is right."""
    faults: list[str] = []
    checked = check(value, name, faults)
    return checked, some(faults, _SHOWN_FAULTS, " ") if faults else ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"it has the field {next(name for name in names if names.count(name) > 1)} twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a number of JSON")


def _wrong(value: Any, name: str, expected: str, faults: list[str]) -> None:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN_CHARACTERS else f"{shown[:_SHOWN_CHARACTERS]} and so on"
    faults.append(sentences(f"Its field {name} is {shown}" if name else f"It is {shown}", f"It must be {expected}"))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def whole(low: int, high: int) -> Check:
    """Return the check of a whole number from `low` to `high`; 3.0 is one, too."""

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if _is_number(value) and low <= value <= high and value == int(value):
            return int(value)
        return _wrong(value, name, f"a whole number from {low} to {high}", faults)

    return check


def number(low: float = -_LARGEST_NUMBER, high: float = _LARGEST_NUMBER, above: float = -math.inf) -> Check:
    """Return the check of a finite number from `low` to `high`, and greater than `above`."""
    bounds = "" if low == -_LARGEST_NUMBER else f" of at least {low:g}"
    bounds = f" from {low:g} to {high:g}" if bounds and high != _LARGEST_NUMBER else bounds
    bounds = f" greater than {above:g}" if above != -math.inf else bounds

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if _is_number(value) and low <= value <= high and value > above:
            return float(value)
        return _wrong(value, name, f"a finite number{bounds}", faults)

    return check


def text() -> Check:
    """Return the check of a text that is whole Unicode."""

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if isinstance(value, str) and not any("\ud800" <= each <= "\udfff" for each in value):
            return value
        return _wrong(value, name, "a text", faults)

    return check


def anything() -> Check:
    """Return the check that lets everything pass."""
    return lambda value, name, faults: value


def optional(of: Check) -> Check:
    """Return the check of a value that may be null."""
    return lambda value, name, faults: None if value is None else of(value, name, faults)


def items(of: Check, count: int | None = None) -> Check:
    """Return the check of a list, of `count` values if that is given, as a tuple."""

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if not isinstance(value, list) or count not in (None, len(value)):
            return _wrong(value, name, "a list" if count is None else f"a list of {count}", faults)
        return tuple(of(each, f"{name}[{number}]", faults) for number, each in enumerate(value))

    return check


def entries(of: Check) -> Check:
    """Return the check of an object whose fields have any names."""

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if not isinstance(value, Mapping):
            return _wrong(value, name, "an object", faults)
        return {key: of(each, f"{name}[{key!r}]", faults) for key, each in value.items()}

    return check


def record(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None, strict: bool = True) -> Check:
    """Return the check of an object with these fields; if `strict`, with no others."""
    known = {**required, **(optional or {})}

    def check(value: Any, name: str, faults: list[str]) -> Any:
        if not isinstance(value, Mapping):
            return _wrong(value, name, f"an object with {_named(list(known))}", faults)
        prefix = f"{name}." if name else ""
        if missing := [prefix + each for each in required if each not in value]:
            faults.append(f"It lacks {_named(missing)}.")
        if strict and (unknown := [prefix + each for each in value if each not in known]):
            faults.append(f"It has {_named(unknown)}, which is unknown.")
        return {each: of(value[each], prefix + each, faults) for each, of in known.items() if each in value}

    return check


def _named(names: Sequence[str]) -> str:
    return f"{'the field' if len(names) == 1 else 'the fields'} {some(names)}"
