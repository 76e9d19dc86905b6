"""documents: what a JSON file may hold, and how its faults are named."""

import json
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container import documents
from sagemaker_gluoncv_container.documents import Check, entries, items, number, optional, record, text, whole
from sagemaker_gluoncv_container.errors import ClientError

SIZE = record({"width": whole(1, 100), "names": items(text())}, {"scale": optional(number(0, 1))})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a document."""
    return tmp_path / "size.json"


def test_good(path: Path) -> None:
    """What is right comes back in the types that the checks say, lists as tuples."""
    path.write_text('{"width": 3.0, "names": ["a", "b"], "scale": 1}')
    found = documents.read(path, SIZE, "Write it again")
    assert found == {"width": 3, "names": ("a", "b"), "scale": 1.0}
    assert [type(each) for each in found.values()] == [int, tuple, float]


def test_byte_order_mark(path: Path) -> None:
    """Windows' editors put a mark before the text."""
    path.write_text('{"width": 3, "names": []}', "utf-8-sig")
    assert documents.read(path, SIZE, "")["width"] == 3


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "It is not JSON"),
        (b"{", "It is not JSON"),
        (b"\xff\xfe", "It is not JSON"),
        (b'{"width": NaN}', "NaN is not a number of JSON"),
        (b'{"width": -Infinity}', "-Infinity is not a number of JSON"),
        (b'{"width": 1, "names": [], "width": 2}', "it has the field width twice"),
        (b'{"names": [{"a": 1, "a": 1}]}', "it has the field a twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"9" * 5000, "It is not JSON"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_no_document(path: Path, content: bytes, why: str) -> None:
    """What is no JSON is refused with the file, the reason and what to do."""
    path.write_bytes(content)
    with pytest.raises(ClientError) as caught:
        documents.read(path, SIZE, "Write it again")
    assert caught.value.what == f"{path} is damaged"
    assert why in caught.value.why
    assert caught.value.do == "Write it again"


def test_huge(path: Path) -> None:
    """A file that would fill the memory is not read."""
    with path.open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ClientError, match="It is larger than 64 MiB"):
        documents.read(path, SIZE, "")


def test_unreadable(path: Path) -> None:
    """What cannot be opened is told as the system tells it."""
    path.mkdir()
    with pytest.raises(ClientError, match=r"size\.json cannot be read\. Is a directory\."):
        documents.read(path, SIZE, "")


@pytest.mark.parametrize(
    ("content", "faults"),
    [
        ({"width": 0, "names": []}, ["Its field width is 0. It must be a whole number from 1 to 100."]),
        ({"width": "3", "names": []}, ["Its field width is '3'."]),
        ({"width": True, "names": []}, ["Its field width is True."]),
        ({"width": 1.5, "names": []}, ["Its field width is 1.5."]),
        ({"width": 1e400, "names": []}, ["not JSON"]),
        ({"width": 3, "names": ["a", 1]}, ["Its field names[1] is 1. It must be a text."]),
        ({"width": 3, "names": ["\ud800"]}, ["Its field names[0] is '\\ud800'."]),
        ({"width": 3, "names": {}}, ["Its field names is {}. It must be a list."]),
        ({"width": 3, "names": [], "scale": 2}, ["Its field scale is 2. It must be a finite number from 0 to 1."]),
        ({"width": None, "names": None}, ["Its field width is None.", "Its field names is None."]),
        ({"names": []}, ["It lacks the field width."]),
        ({}, ["It lacks the fields width, names."]),
        ({"width": 3, "names": [], "hight": 3}, ["It has the field hight, which is unknown."]),
        ([], ["It is []. It must be an object with the fields width, names, scale."]),
        ("x" * 1000, ["and so on. It must be an object"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_faults(path: Path, content: Any, faults: list[str]) -> None:
    """Every fault names its field, what it is and what it must be."""
    path.write_text(json.dumps(content))
    with pytest.raises(ClientError) as caught:
        documents.read(path, SIZE, "Write it again")
    for fault in faults:
        assert fault in str(caught.value)


def test_many_faults(path: Path) -> None:
    """Of many faults a few are shown, and how many more there are."""
    path.write_text(json.dumps({"width": 3, "names": [1] * 10}))
    with pytest.raises(ClientError, match="and 7 more"):
        documents.read(path, SIZE, "")


@pytest.mark.parametrize(
    ("check", "good", "bad", "field"),
    [
        (items(number(), 2), [1, 2.5], [1], "x"),
        (entries(number()), {"a": 1}, {"a": "1"}, "x['a']"),
        (entries(items(number(), 2)), {"a": [1, 2]}, {"a": [1, None]}, "x['a'][1]"),
        (number(above=0), 0.1, 0, "x"),
        (number(), -1e30, 1e39, "x"),
        (optional(text()), None, 3, "x"),
        (record({}, {"a": whole(0, 1)}, strict=False), {"b": 1}, {"a": 2}, "x.a"),
    ],
)
def test_checks(check: Check, good: Any, bad: Any, field: str) -> None:
    """Each check lets through what it is for, and names the field of what it refuses."""
    faults: list[str] = []
    check(good, "x", faults)
    assert not faults
    check(bad, "x", faults)
    assert len(faults) == 1
    assert f"Its field {field} is" in faults[0]


def test_values_that_come_from_elsewhere() -> None:
    """What is not in a file is checked in the same way."""
    assert documents.check_all(3, whole(1, 5)) == (3, "")
    assert documents.check_all(9, whole(1, 5))[1] == "It is 9. It must be a whole number from 1 to 5."
