"""No run of ten or more equal lines stands twice in src or tests."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for folder in ("src", "tests") for path in sorted((ROOT / folder).rglob("*.py"))]
RUN = 10
# Boilerplate: imports (one name to a line, too), comments, and lines of brackets alone.
PASSED_OVER = re.compile(r"(from|import) .*|#.*|[\w.]+,|[][(){},:]*|\"\"\"")


def code_lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that count, each with its number; white space is folded."""
    folded = ((number, " ".join(line.split())) for number, line in enumerate(text.splitlines(), 1))
    return [(number, line) for number, line in folded if not PASSED_OVER.fullmatch(line)]


def repeated_runs(texts: dict[str, str], length: int = RUN) -> Iterator[str]:
    """Yield the places and the first line of every run of that many lines that stands in more than one place."""
    places: dict[Sequence[str], list[str]] = defaultdict(list)
    for name, text in texts.items():
        lines = code_lines(text)
        for start in range(len(lines) - length + 1):
            run = tuple(line for _, line in lines[start : start + length])
            places[run].append(f"{name}:{lines[start][0]}")
    yield from (f"{', '.join(where)}: {run[0]}" for run, where in places.items() if len(where) > 1)


def test_nothing_stands_twice() -> None:
    """Every run of ten lines of code is written once."""
    found = list(repeated_runs({path.relative_to(ROOT).as_posix(): path.read_text() for path in FILES}))
    assert not found, "\n".join(found)


def test_a_copy_is_found() -> None:
    """A copied run is found in the same file and in another, whatever its indentation, blank lines and comments."""
    original = "\n".join(f"x{number} = {number}" for number in range(RUN))
    copy = "\n\n    # why\n".join(f"    x{number} = {number}" for number in range(RUN))
    [found] = repeated_runs({"one.py": f"import os\n{original}\ny = 1", "two.py": f"z = 1\n{copy}"})
    assert found == "one.py:2, two.py:2: x0 = 0"
    assert len(list(repeated_runs({"one.py": f"{original}\ny = 1\n{copy}"}))) == 1
    assert not list(repeated_runs({"one.py": original, "two.py": copy.replace("x5", "y5")}))
