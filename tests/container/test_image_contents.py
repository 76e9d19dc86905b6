"""Promise: each image holds what its bill of materials says, each with a licence, and nothing that has no use there."""

import json
import os
import subprocess
from collections.abc import Mapping, Set
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from support.containers import IMAGE, IMAGE_GPU, docker

BASE = "debian:bookworm-slim"
LARGEST_BYTES = {IMAGE: 900_000_000, IMAGE_GPU: 4_500_000_000}
PYTHON_PACKAGES = """
from importlib.metadata import distributions
print(*sorted({f"{each.name}=={each.version}" for each in distributions()}), sep="\\n")
"""
# What compiles, also where it is not on PATH, and what package managers leave behind; a pip.conf is the machine's.
UNWANTED = """
for name in gcc cc g++ c++ cpp clang tcc make ld as go rustc; do command -v $name; done
find / -xdev '(' -name cc1 -o -name cc1plus -o -name 'libclang*' -o -name '*.a' -o -name '*.whl' -o -name pip.conf ')'
find /root /home /tmp /var/cache /var/lib/apt/lists /var/log /run -xdev -type f ! -name .bashrc ! -name .profile
find / -xdev -type d '(' -name .cache -o -name .git ')'
"""
# Where the image lies: docker adds its own files to a container, and we look at what was built.
SETUID = "find / -xdev -type f -perm /6000 -exec ls -l {} + | awk '{print $1, $3, $4, $NF}'"

pytestmark = pytest.mark.parametrize("image", [IMAGE, IMAGE_GPU])


def run(image: str, *command: str) -> list[str]:
    """Return the lines that a command prints in an image."""
    return docker("run", "--rm", "--network", "none", image, *command).splitlines()


def bill(image: str) -> list[dict[str, Any]]:
    """Return the components of an image's bill of materials."""
    document = json.loads("\n".join(run(image, "cat", "/opt/sagemaker-gluoncv/sbom.cdx.json")))
    assert document["bomFormat"] == "CycloneDX"
    components: list[dict[str, Any]] = document["components"]
    return components


def listed(image: str, kind: str) -> Set[str]:
    """Return `name==version` of the bill's components of a kind of package; our own is in no registry."""
    found = [each for each in bill(image) if each.get("purl", "pkg:pypi/").startswith(f"pkg:{kind}/")]
    return {f"{each['name']}=={each['version']}" for each in found}


def configuration(image: str) -> Mapping[str, Any]:
    """Return an image's configuration."""
    config: Mapping[str, Any] = json.loads(docker("image", "inspect", "--format", "{{json .Config}}", image))
    return config


def test_it_is_small(image: str) -> None:
    """It is smaller than was promised, so that instances start soon."""
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < LARGEST_BYTES[image]


def test_its_bill_names_every_python_package(image: str) -> None:
    """The bill of materials has the packages that `pip list` would, in these versions, and no other."""
    inside = set(run(image, "python3", "-c", PYTHON_PACKAGES))
    assert len(inside) > 40
    assert listed(image, "pypi") == inside


def test_its_bill_names_every_debian_package(image: str) -> None:
    """The bill of materials has the packages that `dpkg -l` shows, in these versions, and no other."""
    inside = set(run(image, "dpkg-query", "--show", "--showformat", "${Package}==${Version}\n"))
    assert len(inside) > 80
    assert listed(image, "deb") == inside


def test_its_bill_names_what_mxnet_bundles(image: str) -> None:
    """What is linked into libmxnet.so has no metadata of its own, and is named all the same."""
    (mxnet,) = (each for each in bill(image) if each["name"] in ("mxnet", "mxnet-cu112"))
    assert {"opencv", "zlib", "libjpeg-turbo"} <= {each["name"] for each in mxnet["components"]}


def test_everything_has_a_licence(image: str) -> None:
    """Each component has a licence, and each of Debian's packages its copyright file."""
    components = bill(image)
    components += [inner for each in components for inner in each.get("components", ())]
    assert not [each["name"] for each in components if not each.get("licenses")]
    packages = "dpkg-query --show --showformat '${Package}\n'"
    script = f"for name in $({packages}); do test -s /usr/share/doc/$name/copyright || echo $name; done"
    assert not run(image, "sh", "-c", script)


def test_it_holds_no_compiler_and_no_cache(image: str) -> None:
    """What compiled it, and what installing leaves, stays behind: less to carry, less to attack."""
    assert not run(image, "sh", "-c", UNWANTED)


def test_it_holds_no_setuid_file_but_debians(image: str) -> None:
    """Nobody becomes somebody else by a file that Debian's base image does not have."""
    added = set(run(image, "sh", "-c", SETUID)) - set(run(BASE, "sh", "-c", SETUID))
    assert not added
    assert run(BASE, "sh", "-c", SETUID)


def test_it_holds_no_secret(image: str) -> None:
    """Neither the environment nor the history names a credential, nor the files the build was lent."""
    text = json.dumps(configuration(image)["Env"]) + docker(
        "history", "--no-trunc", "--format", "{{.CreatedBy}}", image
    )
    for word in ("PASSWORD", "TOKEN", "SECRET_ACCESS_KEY", "PIP_INDEX_URL", "index-url"):
        assert word not in text
    # What the build was lent took the place of files that are Debian's, or of none.
    lent = "cat /etc/pip.conf /etc/apt/sources.list.d/* 2>/dev/null; true"
    assert run(image, "sh", "-c", lent) == run(BASE, "sh", "-c", lent)
    debians = (
        "cd /usr/share/ca-certificates; cat mozilla/*.crt | sort | cmp - <(sort /etc/ssl/certs/ca-certificates.crt)"
    )
    assert not run(image, "bash", "-c", debians)


def test_what_gluoncv_never_runs_stays_out(image: str, root: Path) -> None:
    """GluonCV's models are made where what it declares for other purposes is not installed."""
    lines = (root / "requirements" / "excludes.txt").read_text().splitlines()
    excluded = {line for line in lines if line and not line.startswith("#")}
    installed = {each.partition("==")[0].lower() for each in run(image, "python3", "-c", PYTHON_PACKAGES)}
    assert len(excluded) >= 7
    assert not excluded & installed
    code = "from gluoncv.model_zoo import get_model; print(get_model('resnet50_v1b', classes=3).fc)"
    assert "Dense(2048 -> 3" in "\n".join(run(image, "python3", "-W", "ignore", "-c", code))


def test_its_labels_say_what_it_is(image: str, root: Path) -> None:
    """The OCI labels name the version, the commit and its time, and the licence."""
    labels = configuration(image)["Labels"]
    git = ["git", "-C", str(root)]
    version = next(line for line in (root / "pyproject.toml").read_text().splitlines() if line.startswith("version = "))
    assert version == f'version = "{labels["org.opencontainers.image.version"]}"'
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.title"]
    if (root / ".git").exists() or os.environ.get("CI"):
        commit = labels["org.opencontainers.image.revision"]
        assert commit == subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
        seconds = subprocess.check_output([*git, "log", "-1", "--format=%ct", commit], text=True)
        created = datetime.fromisoformat(labels["org.opencontainers.image.created"])
        assert created.timestamp() == int(seconds)


def test_any_user_runs_it(image: str) -> None:
    """A user that the image does not know, without capabilities and on a read-only root, reaches all of it."""
    code = "from sagemaker_gluoncv_container import serving, training; import mxnet, gluoncv.model_zoo; print('ran')"
    flags = ("--user", "12345:12345", "--cap-drop", "ALL", "--read-only", "--tmpfs", "/tmp", "--network", "none")
    done = docker("run", "--rm", *flags, image, "python3", "-W", "ignore", "-c", code)
    assert done.splitlines()[-1] == "ran"
