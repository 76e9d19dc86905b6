"""What all tests share. It stays free of MXNet: the container tests run in the client's environment."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Photos and base weights, which lie beside the checkout and not in it (CONTRIBUTING.md).
SHARED = ROOT.parent / "shared"


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def require() -> Callable[[object, str], None]:
    """Return what skips a test for a reason unless something is there; where everything has to run, it fails."""

    def check(there: object, reason: str) -> None:
        if not there:
            pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)

    return check


@pytest.fixture(scope="session")
def stub_driver(tmp_path_factory: pytest.TempPathFactory, require: Callable[[object, str], None]) -> Path:
    """Return a folder whose libcuda.so.1 stands in for the driver's, and shows the GPUs that STUB_GPUS names."""
    compiler = shutil.which("cc") or ""
    require(compiler, "there is no C compiler for tests/support/stub_libcuda.c")
    folder = tmp_path_factory.mktemp("driver")
    flags = ["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-Wl,-soname,libcuda.so.1"]
    source, target = ROOT / "tests" / "support" / "stub_libcuda.c", folder / "libcuda.so.1"
    subprocess.run([compiler, *flags, "-o", str(target), str(source)], check=True)
    return folder


@pytest.fixture(scope="session")
def require_shared(require: Callable[[object, str], None]) -> Callable[[object, str], None]:
    """Return what `require` is for things that come from ../shared: a clone without that folder only skips."""

    def check(there: object, reason: str) -> None:
        if not there and not SHARED.exists():
            pytest.skip(f"{reason}, because there is no ../shared")
        require(there, reason)

    return check


@pytest.fixture(scope="session")
def base_weights(require_shared: Callable[[object, str], None]) -> Path:
    """Return the folder of ResNet-18's base weights."""
    folder = SHARED / "pretrained"
    require_shared(list(folder.glob("resnet18_v1b-*.params")), "there are no base weights in ../shared/pretrained")
    return folder


@pytest.fixture(scope="session")
def photos(require_shared: Callable[[object, str], None]) -> Path:
    """Return the folder of the clothing photos, split/class/photo."""
    folder = SHARED / "data" / "clothing-small"
    require_shared(folder.is_dir(), "there are no photos in ../shared/data/clothing-small")
    return folder


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    """Return a copy of local_test, whose work folder is not the one in the checkout."""
    copy = tmp_path / "local_test"
    shutil.copytree(ROOT / "local_test", copy, ignore=shutil.ignore_patterns("work", "__pycache__"))
    return copy
