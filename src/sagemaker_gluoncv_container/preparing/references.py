"""Where pictures are: local paths and `s3://` references, which come through boto3 or from a mapped folder."""

import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from .. import formats, junk
from ..data import record_files, recordio
from ..data.naming import spellings
from ..errors import ClientError

S3 = "s3://"
_MISSING = {"NoSuchKey", "404", "NotFound"}


def is_s3(reference: str) -> bool:
    """Return whether a reference is an S3 URI."""
    return reference.startswith(S3)


def join(root: str, name: str) -> str:
    """Return `name` under `root`, unless it is a complete reference."""
    if is_s3(name) or name.startswith("/"):
        return name
    return f"{root.rstrip('/')}/{name}" if is_s3(root) else str(Path(root) / name)


class References:
    """Reads references. Threads may share one: boto3's clients allow it."""

    def __init__(self, maps: Sequence[tuple[str, Path]], connections: int) -> None:
        """`maps` are S3 prefixes with the folder that holds a copy of what is under them."""
        self._maps, self._connections = maps, connections
        self._client: Any = None
        self._lock = threading.Lock()

    def local(self, reference: str) -> str:
        """Return the local path of a reference, or the reference itself if it has none."""
        for prefix, folder in self._maps:
            if reference.startswith(prefix):
                return str(folder / reference.removeprefix(prefix))
        return reference

    def find(self, root: str, name: str) -> str:
        """Return the reference of a picture that a list names, under `root` unless it is a complete one.

        Where nothing is there by that name but one thing is meant, that is what counts: a path with Windows'
        backslashes, in another Unicode form (macOS decomposes its names), or without the ending of a picture.
        """
        reference = join(root, name)
        if is_s3(self.local(reference)) or self._is_file(reference):
            return reference
        return next((each for each in self._meant(root, name) if self._is_file(each)), reference)

    def exists(self, root: str, name: str) -> bool:
        """Return whether what a list names is a file on this machine."""
        return self._is_file(self.find(root, name))

    def _is_file(self, reference: str) -> bool:
        place = self.local(reference)
        # A name may be too long, or hold a zero byte.
        try:
            return not is_s3(place) and Path(place).is_file()
        except (OSError, ValueError):
            return False

    @staticmethod
    def _meant(root: str, name: str) -> Iterator[str]:
        for form in spellings(name):
            yield join(root, form)
            if formats.suffix(form) not in formats.SUFFIXES:
                yield from (join(root, form + ending) for ending in formats.SUFFIXES)

    def remote(self, reference: str) -> str | None:
        """Return the S3 URI of a reference, None if there is no map for it."""
        if is_s3(reference):
            return reference
        path = Path(reference).resolve()
        for prefix, folder in self._maps:
            if path.is_relative_to(folder.resolve()):
                return prefix + path.relative_to(folder.resolve()).as_posix()
        return None

    def read(self, reference: str) -> bytes:
        """Return the bytes behind a reference.

        Raises FileNotFoundError or another OSError about this one file; ClientError if S3 refuses altogether.
        """
        place = self.local(reference)
        if not is_s3(place):
            return Path(place).read_bytes()
        bucket, _, key = place.removeprefix(S3).partition("/")
        body: bytes = self._call("get_object", place, Bucket=bucket, Key=key)["Body"].read()
        return body

    def read_record(self, path: str, offset: int, size: int) -> bytes:
        """Return the picture in a record of a local file."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return recordio.unpack(record_files.read_payload(descriptor, offset, size)).data
        finally:
            os.close(descriptor)

    def walk(self, root: str) -> Iterator[tuple[str, str]]:
        """Yield (name under root, reference) of every file, in the order of the names."""
        place = self.local(root)
        yield from self._walk_s3(place) if is_s3(place) else _walk_folder(Path(place))

    def _walk_s3(self, root: str) -> Iterator[tuple[str, str]]:
        bucket, _, key = root.removeprefix(S3).partition("/")
        prefix = key.rstrip("/") + "/" if key else ""
        token: dict[str, str] = {}
        while True:
            page = self._call("list_objects_v2", root, Bucket=bucket, Prefix=prefix, **token)
            for each in page.get("Contents", []):
                if not each["Key"].endswith("/"):
                    yield each["Key"].removeprefix(prefix), f"{S3}{bucket}/{each['Key']}"
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def _call(self, method: str, place: str, **arguments: str) -> Any:
        import botocore.exceptions

        try:
            return getattr(self._s3(), method)(**arguments)
        except botocore.exceptions.ClientError as error:
            if error.response["Error"]["Code"] in _MISSING:
                raise FileNotFoundError(f"{place} does not exist") from error
            do = "Fix the bucket policy or the permissions of the role"
            raise ClientError(f"{place} cannot be read", str(error), do) from error
        except botocore.exceptions.BotoCoreError as error:
            raise ClientError(f"{place} cannot be read", str(error), "Give credentials and a region") from error

    def _s3(self) -> Any:
        # Imported late: boto3 takes most of a second, and local folders need none.
        import boto3
        import botocore.config

        with self._lock:
            if self._client is None:
                config = botocore.config.Config(
                    max_pool_connections=self._connections, retries={"mode": "standard", "max_attempts": 8}
                )
                self._client = boto3.client("s3", config=config)
            return self._client


def _walk_folder(root: Path) -> Iterator[tuple[str, str]]:
    # The report names every file in the class folders, junk too.
    for path in junk.files(root, with_junk=True):
        yield path.relative_to(root).as_posix(), str(path)
