"""What all tests share. It stays free of MXNet: the container tests run in the client's environment."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


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
def base_weights(require: Callable[[object, str], None]) -> Path:
    """Return the folder of ResNet-18's base weights, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "pretrained"
    require(list(folder.glob("resnet18_v1b-*.params")), "there are no base weights in ../shared/pretrained")
    return folder


@pytest.fixture(scope="session")
def photos(require: Callable[[object, str], None]) -> Path:
    """Return the folder of the clothing photos, split/class/photo, which lies beside the checkout and not in it."""
    folder = ROOT.parent / "shared" / "data" / "clothing-small"
    require(folder.is_dir(), "there are no photos in ../shared/data/clothing-small")
    return folder
