"""What the image need not hold, although GluonCV declares it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements"
# The name under which each excluded package is imported.
IMPORTED_AS = {
    "autocfg": "autocfg",
    "matplotlib": "matplotlib",
    "opencv-python": "cv2",
    "openvino-telemetry": "openvino_telemetry",
    "pandas": "pandas",
    "pywavelets": "pywt",
    "pyyaml": "yaml",
    "yacs": "yacs",
}


def packages(name: str) -> list[str]:
    """Return the packages named in a file of requirements, normalised."""
    lines = (REQUIREMENTS / name).read_text().splitlines()
    names = [match[0] for line in lines if (match := re.match(r"[A-Za-z0-9][\w.-]*", line))]
    return [re.sub(r"[-_.]+", "-", each).lower() for each in names]


def test_every_excluded_package_is_tried() -> None:
    """A package that is excluded later has to be blocked in the next test too."""
    assert packages("excludes.txt") == list(IMPORTED_AS)


def test_model_zoo_needs_none_of_them() -> None:
    """GluonCV's models are made, and MXNet's modules imported, where none of the excluded packages can be."""
    blocked = ", ".join(f"{name}=None" for name in IMPORTED_AS.values())
    code = (
        f"import sys; sys.modules.update({blocked});"
        "import mxnet, gluoncv.model_zoo; gluoncv.model_zoo.get_model('resnet18_v1b', classes=2);"
        "import sagemaker_gluoncv_container.training.learning.loop, sagemaker_gluoncv_container.training.model.network;"
        "import sagemaker_gluoncv_container.serving.http.app, sagemaker_gluoncv_container.inference.engine_openvino"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("lock", ["image.lock", "test.lock"])
def test_lock_files_are_free_of_them(lock: str) -> None:
    """No lock file brings an excluded package back, directly or for another one."""
    locked = packages(lock)
    assert {"mxnet", "gluoncv", "pillow"} <= set(locked)
    assert not set(locked) & set(IMPORTED_AS)


@pytest.mark.parametrize("lock", ["image.lock", "test.lock"])
def test_lock_files_pin_by_hash(lock: str) -> None:
    """Every package has one version and at least one hash."""
    entries = re.split(r"\n(?=[a-z0-9])", (REQUIREMENTS / lock).read_text().split("\n", 2)[2].strip())
    assert len(entries) >= 10
    for entry in entries:
        assert re.match(r"[\w.-]+==[\w.]+ \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry.splitlines()[0]
