"""The one address on which the first host listens: the one by which the other hosts know it."""

import errno
import ipaddress
import socket
import time

import psutil

from ..errors import AlgorithmError, ClientError
from ..hosts import Hosts

_RETRY_SECONDS = 0.5


def listen(hosts: Hosts, port: int, seconds: float) -> socket.socket:
    """Return a server on this host's own address. Waits up to `seconds` for its name to resolve.

    Raises AlgorithmError if it has no address, ClientError if the port is taken.
    """
    deadline = time.monotonic() + seconds
    while not (found := candidates(hosts)):
        if time.monotonic() > deadline:
            why = "Its name does not resolve, and the platform names no network interface of it"
            raise AlgorithmError(f"{hosts.current} has no address to listen on", why, "Fix resourceconfig.json")
        time.sleep(_RETRY_SECONDS)
    for address in found:
        try:
            return socket.create_server((address, port), family=_family(address))
        except OSError as error:
            # A name may lead to an address that is not this machine's own, but translated to it.
            if error.errno != errno.EADDRNOTAVAIL or address == found[-1]:
                do = "Choose another port with --host-port, the same on every host"
                what = f"This host cannot listen on port {port} of {address}"
                raise ClientError(what, error.strerror or str(error), do) from error
    raise AssertionError(found)


def candidates(hosts: Hosts) -> list[str]:
    """Return the addresses that may be this host's, the likeliest first: its name's, then its interface's.

    A name that leads back to this machine only (127.0.0.1 in /etc/hosts) is of no use to other hosts. It is used if the
    name is such an address itself, or if there is no other.
    """
    try:
        named = [str(each[4][0]) for each in socket.getaddrinfo(hosts.current, None, type=socket.SOCK_STREAM)]
    except OSError:
        named = []
    useful = [address for address in named if address == hosts.current or not ipaddress.ip_address(address).is_loopback]
    of_interface = psutil.net_if_addrs().get(hosts.interface or "", [])
    wanted = (socket.AF_INET, socket.AF_INET6)
    found = [*useful, *(each.address for each in of_interface if each.family in wanted)]
    return list(dict.fromkeys(found or named))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
