"""Where the first host listens: on its own address, never on all."""

import socket
from types import SimpleNamespace

import psutil
import pytest

from sagemaker_gluoncv_container.errors import AlgorithmError, ClientError
from sagemaker_gluoncv_container.hosts import Hosts
from sagemaker_gluoncv_container.preparing import addresses

RESOLVED = {"algo-1": ["10.0.0.7"], "local-1": ["127.0.1.1"], "127.0.0.1": ["127.0.0.1"]}
INTERFACES = {"eth0": [(socket.AF_INET, "10.0.0.9"), (socket.AF_INET6, "fe80::1%eth0"), (psutil.AF_LINK, "02:42")]}


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace what names resolve to, and the interfaces."""

    def getaddrinfo(name: str, *_: object, **__: object) -> list[tuple[object, ...]]:
        if name not in RESOLVED:
            raise socket.gaierror(-2, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in RESOLVED[name]]

    interfaces = {
        name: [SimpleNamespace(family=family, address=address) for family, address in found]
        for name, found in INTERFACES.items()
    }
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: interfaces)


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize(
    ("name", "interface", "expected"),
    [
        ("algo-1", "eth0", ["10.0.0.7", "10.0.0.9", "fe80::1%eth0"]),
        ("algo-1", None, ["10.0.0.7"]),
        ("local-1", "eth0", ["10.0.0.9", "fe80::1%eth0"]),
        ("local-1", None, ["127.0.1.1"]),
        ("127.0.0.1", None, ["127.0.0.1"]),
        ("unknown", "eth0", ["10.0.0.9", "fe80::1%eth0"]),
        ("unknown", "eth9", []),
    ],
)
def test_candidates(name: str, interface: str | None, expected: list[str]) -> None:
    """First what the other hosts resolve; a loopback address only if there is nothing else."""
    assert addresses.candidates(Hosts((name, "other"), 0, interface)) == expected


@pytest.mark.usefixtures("network")
def test_no_address_is_an_error_in_time() -> None:
    """A name that never resolves is said, after the time to wait."""
    with pytest.raises(AlgorithmError, match="unknown has no address"):
        addresses.listen(Hosts(("unknown", "zzz")), 1, seconds=0.1)


def test_it_listens_on_one_address() -> None:
    """The server is bound to this host's address alone, and a port that is taken is named."""
    hosts = Hosts(("127.0.0.1", "127.0.0.2"))
    with addresses.listen(hosts, 0, 5) as server:
        address, port = server.getsockname()
        assert address == "127.0.0.1"
        with pytest.raises(ClientError, match=f"cannot listen on port {port} of 127.0.0.1") as raised:
            addresses.listen(hosts, port, 5)
    assert "--host-port" in raised.value.do
