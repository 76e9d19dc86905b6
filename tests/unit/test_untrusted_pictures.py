"""Pictures from strangers are decoded by Pillow alone: MXNet's own decoders are old, and linked in for good."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "sagemaker_gluoncv_container"
MODULES = sorted(SOURCE.rglob("*.py"))
# How MXNet's OpenCV, and GluonCV's readers that call it, are reached: by modules, and by operators of any namespace.
DECODING_MODULES = {
    *(f"mxnet.{name}" for name in ("image", "img", "io", "recordio", "gluon.data", "rtc", "plugin")),
    *(f"gluoncv.{name}" for name in ("data", "utils.viz", "auto", "torch")),
    "cv2",
}
DECODING_NAMES = {
    "imdecode",
    "imread",
    "imresize",
    "copyMakeBorder",
    "ImageRecordIter",
    "ImageRecordDataset",
    "ImageIter",
}


def used(tree: ast.AST) -> set[str]:
    """Return the full names that a module imports or reaches by attributes, `mx` written out."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
        elif isinstance(node, ast.Attribute):
            found.add(ast.unparse(node))
    return {f"mxnet{name[2:]}" if name.startswith("mx.") else name for name in found}


def decoders(tree: ast.AST) -> set[str]:
    """Return what a module uses of decoders that are not Pillow's."""
    return {
        name
        for name in used(tree)
        if any(f"{name}.".startswith(f"{module}.") for module in DECODING_MODULES)
        or any(part.lstrip("_").removeprefix("cv") in DECODING_NAMES for part in name.split("."))
    }


@pytest.mark.parametrize(
    "code",
    [
        "import mxnet as mx; mx.image.imdecode(body)",
        "from mxnet import recordio",
        "from mxnet.gluon.data.vision import ImageRecordDataset",
        "import mxnet as mx; mx.nd._internal._cvimdecode(body)",
        "import cv2",
        "from gluoncv.data import ImageNet",
    ],
)
def test_decoders_are_seen(code: str) -> None:
    """The search of the next test finds the ways there are."""
    assert decoders(ast.parse(code))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_module_decodes_with_mxnet(path: Path) -> None:
    """Neither serving nor training nor preparing calls MXNet's or GluonCV's readers of pictures and records."""
    assert not decoders(ast.parse(path.read_text()))


def test_only_images_opens_pictures() -> None:
    """Image.open is called in one module, with the formats that are allowed, and the pixel limit is set there."""
    opening = {path.name for path in MODULES if "Image.open(" in path.read_text()}
    assert opening == {"images.py"}
    text = (SOURCE / "images.py").read_text()
    assert text.count("Image.open(") == text.count("Image.open(io.BytesIO(data), formats=formats.NAMES)")
    assert "Image.MAX_IMAGE_PIXELS = " in text
