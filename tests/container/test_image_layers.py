"""Promise: two builds of one commit give the same layers, and a new line of our code only the last, small one."""

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from support.containers import IMAGE, IMAGE_GPU, docker

SMALL_BYTES = 2_000_000
TARGETS = {IMAGE: ("image", "IMAGE"), IMAGE_GPU: ("image-gpu", "IMAGE_GPU")}


def layers(image: str) -> list[str]:
    """Return the digests of an image's layers, from the base up."""
    digests: list[str] = json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image))
    return digests


def size_of_top(image: str) -> int:
    """Return the bytes of the layer that was added last."""
    sizes = docker("history", "--human=false", "--format", "{{.Size}}", image).split()
    return next(int(size) for size in sizes if size != "0")


@pytest.fixture
def checkout(root: Path, tmp_path: Path) -> Path:
    """Return a copy of the checkout with the base weights; its files are as new as can be, and of other modes."""
    names = subprocess.check_output(["git", "-C", str(root), "ls-files", "-z"], text=True).split("\0")
    names += [str(path.relative_to(root)) for path in (root / "pretrained").glob("*.params")]
    for name in filter(None, names):
        target = tmp_path / "checkout" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / name, target)
        target.chmod((root / name).stat().st_mode & 0o100 | 0o660)
    return tmp_path / "checkout"


@pytest.fixture
def build(checkout: Path) -> Iterator[Callable[..., str]]:
    """Return a function that builds an image of that copy, and returns its name."""
    made: list[str] = []

    def run(image: str, *flags: str) -> str:
        target, variable = TARGETS[image]
        made.append(f"sagemaker-gluoncv-test:{uuid.uuid4().hex[:12]}")
        environ = {**os.environ, "DOCKER_BUILD_FLAGS": " ".join([os.environ.get("DOCKER_BUILD_FLAGS", ""), *flags])}
        command = ["make", "--no-print-directory", "-C", str(checkout), target, f"{variable}={made[-1]}"]
        done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert done.returncode == 0, done.stdout[-5000:]
        return made[-1]

    yield run
    for image in made:
        docker("image", "rm", "--force", image, check=False)


@pytest.mark.parametrize("image", [IMAGE, IMAGE_GPU])
def test_a_line_of_our_code_pushes_little(image: str, checkout: Path, build: Callable[..., str]) -> None:
    """After a change of one line in src/, every layer but the last is there already; the last is under 2 MB."""
    with (checkout / "src" / "sagemaker_gluoncv_container" / "errors.py").open("a") as file:
        file.write("CHANGED = True\n")
    changed = build(image)
    assert layers(changed)[:-1] == layers(image)[:-1]
    assert layers(changed)[-1] != layers(image)[-1]
    assert size_of_top(changed) < SMALL_BYTES


@pytest.mark.parametrize("image", [IMAGE, IMAGE_GPU])
def test_builds_of_one_commit_are_equal(image: str, build: Callable[..., str]) -> None:
    """Built again from nothing, from files of other dates and modes, every layer has the digest it had."""
    assert layers(build(image, "--no-cache")) == layers(image), (
        "if this engine has built these layers before, they may differ in the order of files alone (docs/images.md): "
        "remove their images, run docker builder prune --all, and test again"
    )


def test_the_state_of_the_checkout_does_not_matter(checkout: Path, build: Callable[..., str]) -> None:
    """Without executable bits, or with too many, and with Windows' line endings, the same image comes out."""
    names = ["pyproject.toml", "README.md"]
    for folder in ("src", "train", "serve", "image"):
        names += [path.relative_to(checkout).as_posix() for path in (checkout / folder).rglob("*") if path.is_file()]
    for number, name in enumerate(sorted(names)):
        path = checkout / name
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
        path.chmod(0o777 if number % 2 else 0o600)
    for name in ("train/train", "serve/serve"):
        (checkout / name).chmod(0o600)
    assert layers(build(IMAGE)) == layers(IMAGE)


def test_both_images_share_debian_and_base_weights() -> None:
    """Who has pulled one image has Debian's layer, and that of the base weights, for the other."""
    cpu, gpu = layers(IMAGE), layers(IMAGE_GPU)
    assert gpu[0] == cpu[0]
    assert cpu[-2] in gpu
