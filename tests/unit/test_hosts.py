"""hosts: what resourceconfig.json says, in a training job, in a Processing job and on the user's own machine."""

import json
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gluoncv_container.contract import Paths
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.hosts import Hosts


def give(folder: Path, **config: Any) -> Paths:
    """Write resourceconfig.json into a folder, and return the tree."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "resourceconfig.json").write_text(json.dumps(config))
    return Paths(next(each for each in folder.parents if each.name == "ml"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return the root of the platform's tree."""
    return tmp_path / "ml"


@pytest.mark.parametrize("folder", ["config", "input/config"], ids=["processing", "training"])
def test_several_hosts(root: Path, folder: str) -> None:
    """Every host sorts the names in the same way, finds itself among them and knows the network."""
    paths = give(
        root / folder, current_host="algo-2", hosts=["algo-2", "algo-1", "algo-3"], network_interface_name="eth0"
    )
    hosts = Hosts.from_platform(paths)
    assert hosts == Hosts(("algo-1", "algo-2", "algo-3"), 1, "eth0")
    assert (hosts.current, hosts.first, hosts.alone, hosts.leads) == ("algo-2", "algo-1", False, False)


def test_one_host(root: Path) -> None:
    """A job on one host is alone, and leads itself; local mode names no network."""
    hosts = Hosts.from_platform(give(root / "input" / "config", current_host="algo-1", hosts=["algo-1"]))
    assert hosts == Hosts(("algo-1",), 0, None)
    assert hosts.alone
    assert hosts.leads


@pytest.mark.parametrize("config", [{}, {"hosts": []}, {"hosts": None}])
def test_no_platform(root: Path, config: dict[str, Any]) -> None:
    """Where the platform names no host there is one without a name."""
    assert Hosts.from_platform(give(root / "input" / "config", **config)) == Hosts()
    assert Hosts.from_platform(Paths(root / "elsewhere")) == Hosts()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"hosts": "algo-1"}, "resourceconfig.json has hosts 'algo-1'. It must be a list of names."),
        ({"hosts": [1, 2], "current_host": 1}, r"has hosts \[1, 2\]"),
        ({"hosts": ["a", "b"], "current_host": "c"}, "has current_host 'c'. The hosts are a, b."),
        ({"hosts": ["a", "b"]}, "has current_host None"),
        ({"hosts": ["a", "b"], "current_host": ["a"]}, "has current_host"),
    ],
)
def test_contradictions(root: Path, config: dict[str, Any], message: str) -> None:
    """A file that contradicts itself is refused with what it says."""
    with pytest.raises(ClientError, match=message):
        Hosts.from_platform(give(root / "input" / "config", **config))
