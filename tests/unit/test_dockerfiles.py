"""The two Dockerfiles, and what they install, differ only where they say so."""

import json
import mmap
import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CPU, GPU = ROOT / "Dockerfile", ROOT / "Dockerfile.gpu"
_OWN = re.compile(r"^# Only here\b.*?^# Both\.\n", re.MULTILINE | re.DOTALL)


def shared(dockerfile: Path) -> str:
    """Return what is said to be both files', which is all but the first paragraph and the marked parts."""
    return _OWN.sub("", dockerfile.read_text()).partition("\n#\n")[2]


def locked(name: str) -> dict[str, str]:
    """Return the versions in a lock file by the names of the packages."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9][\w.-]*)==(\S+)", text, re.MULTILINE))


def test_dockerfiles_are_equal_where_they_do_not_say_otherwise() -> None:
    """Only the marked parts differ; and the comparison is of nearly the whole file."""
    assert shared(GPU) == shared(CPU)
    assert len(shared(CPU)) > 0.9 * len(CPU.read_text())


def test_parts_of_their_own_are_about_mxnet_and_cuda() -> None:
    """What a Dockerfile has for itself chooses MXNet's kind, and installs and announces CUDA: no more."""
    for part in _OWN.findall(CPU.read_text()):
        assert re.findall(r"^[A-Z]+ .*", part, re.MULTILINE) == ["COPY requirements/image.lock /tmp/packages.lock"]
    for part in _OWN.findall(GPU.read_text()):
        assert re.search("cuda|nvidia", part, re.IGNORECASE)


@pytest.mark.parametrize("dockerfile", [CPU, GPU], ids=lambda path: path.name)
def test_entry_scripts_run_whatever_the_checkout(dockerfile: Path) -> None:
    """The build ends lines in LF and sets the executable bits of `train` and `serve` itself."""
    [step] = [each for each in re.split(r"\n(?=[A-Z]+ )", dockerfile.read_text()) if "pip wheel" in each]
    assert re.search(r"find bin /tmp/package /tmp/image -type f -exec sed -i 's/\\r\$//'", step)
    assert step.index("chmod 644") < step.index("chmod 755 bin/train bin/serve")


def test_checkouts_have_lf() -> None:
    """Git gives every text LF, whatever core.autocrlf says, and no file in it has CRLF."""
    names = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("*/*.sh")]
    names += [".ci/run", "train/train", "serve/serve", "build_and_push.sh", "Makefile", "Dockerfile", "src/any.py"]
    git = ["git", "-C", str(ROOT)]
    listed = subprocess.run([*git, "ls-files", "--eol"], capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is not a Git checkout")
    said = subprocess.check_output([*git, "check-attr", "eol", "--", *names], text=True).splitlines()
    assert said == [f"{name}: eol: lf" for name in names]
    stored = [line for line in listed.stdout.splitlines() if line.startswith(("i/crlf", "i/mixed"))]
    assert not stored


def test_lock_files_are_equal_but_for_mxnet() -> None:
    """Both images run the same versions of everything."""
    cpu, gpu = locked("image"), locked("gpu")
    assert cpu.pop("mxnet") == gpu.pop("mxnet-cu112") == "1.9.1"
    assert gpu == cpu
    assert all(name.startswith("nvidia-") and name.endswith("-cu11") for name in locked("cuda"))


@pytest.mark.parametrize(
    "bundled",
    json.loads((ROOT / "image" / "bundled.json").read_text())["inside"]["mxnet"],
    ids=lambda each: each["name"],
)
def test_bundled_library_is_inside_mxnet(bundled: dict[str, str]) -> None:
    """What the bill of materials and docs/security.md say of libmxnet.so stands in libmxnet.so."""
    library = Path(str(metadata.distribution("mxnet").locate_file("mxnet/libmxnet.so")))
    with library.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        assert content.find(bundled["evidence"].encode()) >= 0
    assert (
        f"{bundled['name']} | {bundled['version'] or 'unknown'}" in (ROOT / "docs" / "security.md").read_text().lower()
    )
