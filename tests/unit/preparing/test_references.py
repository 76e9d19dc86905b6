"""References: local paths, S3, and folders that have a copy of an S3 prefix."""

from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest

from sagemaker_gluoncv_container.data import record_files
from sagemaker_gluoncv_container.data.recordio import Writer
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.preparing.references import References, is_s3, join


@pytest.fixture
def mapped(tmp_path: Path) -> References:
    """Return references with a folder that has a copy of s3://bucket/heap/."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(b"one")
    return References([("s3://bucket/heap/", tmp_path)], 1)


class RefusingClient:
    """An S3 that answers every call with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def get_object(self, **_: str) -> Any:
        """Raise the error."""
        raise self._error


def test_joining() -> None:
    """A complete reference stays; anything else is under the root, whichever kind that is."""
    assert join("/data", "a/1.jpg") == "/data/a/1.jpg"
    assert join("s3://bucket/heap/", "a/1.jpg") == "s3://bucket/heap/a/1.jpg"
    for complete in ("/other/1.jpg", "s3://other/1.jpg"):
        assert join("/data", complete) == join("s3://bucket", complete) == complete
    assert is_s3("s3://bucket")
    assert not is_s3("/s3://bucket")


def test_a_map_goes_both_ways(mapped: References, tmp_path: Path) -> None:
    """From S3 to the folder for reading, and back for a manifest; other places have no S3 location."""
    assert mapped.local("s3://bucket/heap/a/1.jpg") == str(tmp_path / "a" / "1.jpg")
    assert mapped.local("s3://bucket/heaps/1.jpg") == "s3://bucket/heaps/1.jpg"
    assert mapped.read("s3://bucket/heap/a/1.jpg") == b"one"
    assert mapped.remote(str(tmp_path / "a" / "1.jpg")) == "s3://bucket/heap/a/1.jpg"
    assert mapped.remote("s3://any/1.jpg") == "s3://any/1.jpg"
    assert mapped.remote("/elsewhere/1.jpg") is None


def test_walking_a_folder(mapped: References, tmp_path: Path) -> None:
    """Every file with its name under the root, in order; a mapped prefix is its folder."""
    (tmp_path / "0.txt").write_text("x")
    expected = [("0.txt", str(tmp_path / "0.txt")), ("a/1.jpg", str(tmp_path / "a" / "1.jpg"))]
    assert list(mapped.walk(str(tmp_path))) == list(mapped.walk("s3://bucket/heap/")) == expected


def test_a_record_is_read(tmp_path: Path, mapped: References) -> None:
    """The picture in a record, by its place in the file."""
    with Writer(tmp_path / "a.rec") as writer:
        writer.write((0.0,), b"first picture")
        writer.write((1.0,), b"second")
    second = record_files.scan(tmp_path / "a.rec")[1]
    assert mapped.read_record(str(tmp_path / "a.rec"), second.offset, second.size) == b"second"


@pytest.mark.parametrize("code", ["NoSuchKey", "404", "NotFound"])
def test_a_missing_object_is_a_missing_file(mapped: References, code: str) -> None:
    """As a local one is."""
    mapped._client = RefusingClient(botocore.exceptions.ClientError({"Error": {"Code": code}}, "GetObject"))
    with pytest.raises(FileNotFoundError):
        mapped.read("s3://other/1.jpg")


def test_refusals_of_s3_are_said(mapped: References) -> None:
    """Missing rights and missing credentials each say what to do."""
    errors = {
        "bucket policy": botocore.exceptions.ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"),
        "credentials": botocore.exceptions.NoCredentialsError(),
    }
    for words, error in errors.items():
        mapped._client = RefusingClient(error)
        with pytest.raises(ClientError, match="s3://other/1.jpg cannot be read") as raised:
            mapped.read("s3://other/1.jpg")
        assert words in raised.value.do


@pytest.mark.parametrize(
    ("written", "there"),
    [
        ("bird/1.jpg", "bird/1.jpg"),
        ("bird\\1.jpg", "bird/1.jpg"),
        (".\\bird\\1.jpg", "bird/1.jpg"),
        ("Zu\u0308rich/1.jpg", "Z\u00fcrich/1.jpg"),
        ("Z\u00fcrich/1.jpg", "Zu\u0308rich/1.jpg"),
        ("000bec18", "000bec18.jpg"),
        ("a.b", "a.b.png"),
        ("bird\\1", "bird/1.jpeg"),
    ],
)
def test_what_a_list_means_is_found(tmp_path: Path, written: str, there: str) -> None:
    """Backslashes, the other Unicode form, no ending."""
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_bytes(b"x")
    references = References((), 1)
    assert Path(references.find(str(tmp_path), written)) == tmp_path / there
    assert references.exists(str(tmp_path), written)


@pytest.mark.parametrize("written", ["nowhere.jpg", "a\0b", "x" * 300, "C:\\data\\1.jpg", "s3://bucket/1.jpg"])
def test_what_is_not_there_stays_as_written(tmp_path: Path, written: str) -> None:
    """It is reported by that name, or fetched from S3."""
    references = References((), 1)
    assert references.find(str(tmp_path), written) == join(str(tmp_path), written)
    assert not references.exists(str(tmp_path), written)


def test_a_file_with_a_backslash_is_itself(tmp_path: Path) -> None:
    """Linux allows them in names; what is there by its own name counts first."""
    (tmp_path / "a\\1.jpg").write_bytes(b"x")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.jpg").write_bytes(b"y")
    references = References((), 1)
    assert references.read(references.find(str(tmp_path), "a\\1.jpg")) == b"x"
