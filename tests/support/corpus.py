"""Pillow's own test images, from its source package on PyPI: a thousand pictures, odd and broken ones among them.

They are not in the repository. pip fetches the package in the version, and with the hashes, of requirements/test.lock,
and it is kept in .cache, which Git ignores.
"""

import re
import subprocess
import sys
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.processes import ROOT

CACHE = ROOT / ".cache"
# Where a copy of a file is cut: shares of its length; None leaves out the last byte.
CUTS = (0.1, 0.5, 0.9, None)
_LOCK = ROOT / "requirements" / "test.lock"


@dataclass(frozen=True)
class File:
    """A file of the corpus, whole or cut."""

    name: str
    data: bytes
    cut: bool


def _locked() -> tuple[str, str]:
    """Return Pillow's version, and its requirement with all hashes."""
    match = re.search(r"^pillow==(\S+) \\\n(?: +--hash=\S+(?: \\)?\n)+", _LOCK.read_text(), re.MULTILINE)
    assert match, f"{_LOCK} pins no Pillow"
    return match[1], match[0]


def fetch() -> Path:
    """Return the source package, which pip downloads once. Raises CalledProcessError with pip's output if it cannot."""
    version, requirement = _locked()
    package = CACHE / f"pillow-{version}.tar.gz"
    if not package.is_file():
        folder = CACHE / "download"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "requirements.txt").write_text(requirement)
        # pip asks the package for its metadata, for which it needs what builds it; it compiles nothing.
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", "pillow"]
        command = [*pip, "--dest", str(folder), "--requirement", str(folder / "requirements.txt")]
        subprocess.run(command, check=True, capture_output=True, text=True)
        # Whole or absent, also where two test runs share the checkout.
        (folder / package.name).replace(package)
    return package


def files(package: Path) -> Iterator[File]:
    """Yield every file under Tests/images, whole, and once more cut, at a place that depends on its name alone."""
    with tarfile.open(package) as archive:
        for member in sorted(archive.getmembers(), key=lambda each: each.name):
            _, found, name = member.name.partition("/Tests/images/")
            opened = archive.extractfile(member) if found and member.isfile() else None
            if opened is None:
                continue
            data = opened.read()
            share = CUTS[zlib.crc32(name.encode()) % len(CUTS)]
            length = len(data) - 1 if share is None else int(share * len(data))
            yield File(name, data, cut=False)
            if length > 0:
                yield File(name, data[:length], cut=True)
