"""Starts what build_and_push.sh talks to: Debian's docker-registry with a password, and AWS's interfaces by moto.

moto names a repository as ECR does, ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME. A line in /etc/hosts leads that name to
a registry on a loopback address of its own, to which Docker talks without TLS; so the script runs as it is, names and
all. What is pushed there, moto does not learn.
"""

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import requests

from support.containers import status
from support.processes import free_port, wait_until

READY_SECONDS = 60
HOSTS = Path("/etc/hosts")
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
# What Docker asks of a registry's name without a port, once it finds no TLS there.
HTTP_PORT = 80


@contextmanager
def running(command: Sequence[str], log: Path, answers: Callable[[], bool], **variables: str) -> Iterator[None]:
    """Run a server, from when it answers to the end of the `with`. Raises AssertionError if it does not answer."""
    environment = {**os.environ, **variables}
    # It ends with the tests also where they are killed.
    bound = ["setpriv", "--pdeathsig", "TERM", *command]
    with log.open("w") as output:
        server = subprocess.Popen(bound, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=log.parent)
    try:
        wait_until(
            lambda: answers() or server.poll() is not None,
            READY_SECONDS,
            lambda: f"{command[0]} answers: {log.read_text()}",
        )
        assert server.poll() is None, f"{command[0]} ended: {log.read_text()}"
        yield
    finally:
        server.terminate()
        server.wait(timeout=READY_SECONDS)


@dataclass(frozen=True)
class Registry:
    """A registry that runs: its address, with the port where it is not HTTP's, and the password of the user AWS."""

    address: str
    password: str

    def _get(self, path: str, **headers: str) -> requests.Response:
        url = f"http://{self.address}/v2/{path}"
        return requests.get(url, headers=headers, auth=("AWS", self.password), timeout=60)

    def tags(self, repository: str) -> set[str]:
        """Return the tags of a repository; none if it has no such repository."""
        return set(self._get(f"{repository}/tags/list").json().get("tags") or [])

    def digests(self, repository: str, tag: str) -> list[str]:
        """Return the digests of an image's configuration and layers, all of which it holds and gives out."""
        manifest = self._get(f"{repository}/manifests/{tag}", Accept=MANIFEST).json()
        digests = [blob["digest"] for blob in (manifest["config"], *manifest["layers"])]
        for digest in digests:
            content = self._get(f"{repository}/blobs/{digest}").content
            assert digest == f"sha256:{hashlib.sha256(content).hexdigest()}"
        return digests


@contextmanager
def registry(folder: Path, password: str, address: str = "127.0.0.1", port: int | None = None) -> Iterator[Registry]:
    """Run a registry on a free port, or on the one given, that lets in the user AWS with that password."""
    folder.mkdir()
    port = port or free_port()
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"AWS:{hashed}\n")
    (folder / "config.yml").write_text(
        f"""
version: 0.1
log: {{level: warn}}
storage: {{filesystem: {{rootdirectory: "{folder}/blobs"}}}}
http: {{addr: "{address}:{port}"}}
auth: {{htpasswd: {{realm: test, path: "{folder}/htpasswd"}}}}
"""
    )
    name = address if port == HTTP_PORT else f"{address}:{port}"
    command = ["docker-registry", "serve", str(folder / "config.yml")]
    with running(command, folder / "log", lambda: status(f"http://{name}/v2/") == requests.codes.unauthorized):
        yield Registry(name, password)


@dataclass(frozen=True)
class Aws:
    """AWS's interfaces: where they are, and the account that everyone has there."""

    url: str
    account: str

    @property
    def password(self) -> str:
        """What its ECR gives to log in with."""
        return f"{self.account}-auth-token"

    def host(self, region: str) -> str:
        """Return the name of the account's registry in a region."""
        return f"{self.account}.dkr.ecr.{region}.amazonaws.com"


@contextmanager
def aws(folder: Path) -> Iterator[Aws]:
    """Run moto's server; its account is a random one, so that the names of its registries are nobody else's."""
    folder.mkdir()
    account, port = str(random.randrange(10**11, 10**12)), free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(Path(sys.executable).parent / "moto_server"), "--port", str(port)]
    with running(
        command, folder / "log", lambda: status(f"{url}/moto-api/") == requests.codes.ok, MOTO_ACCOUNT_ID=account
    ):
        yield Aws(url, account)


def loopback_address() -> str:
    """Return a random address of 127.0.0.0/8, which is all this machine's."""
    return f"127.{random.randrange(1, 255)}.{random.randrange(1, 255)}.{random.randrange(1, 255)}"


@contextmanager
def named(addresses: Mapping[str, str]) -> Iterator[None]:
    """Give hosts an address on this machine, for Docker's engine too."""
    lines = [f"{address} {name}\n" for name, address in addresses.items()]
    end = "" if HOSTS.read_text().endswith("\n") else "\n"
    with HOSTS.open("a") as hosts:
        hosts.writelines([end, *lines])
    try:
        yield
    finally:
        # Written in place: in a container it is a mount, which cannot be replaced.
        HOSTS.write_text("".join(line for line in HOSTS.read_text().splitlines(True) if line not in lines))
