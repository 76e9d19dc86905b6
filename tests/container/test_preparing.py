"""`prepare` in the image, as SageMaker Processing starts it: on one host, and on two that share the work."""

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from draw_pictures import draw

from sagemaker_gluoncv_container.data import record_files, recordio
from support.containers import USER, Job, docker, started, train

INPUT, OUTPUT = "/opt/ml/processing/input", "/opt/ml/processing/output"
HOSTS = ("algo-1", "algo-2")
OPTIONS = ("--resize", "40", "--train-ratio", "0.8", "--per-class", "bird=40", "--no-progress")
COUNTS = {"bird": 50, "car": 40, "flower": 31}

STRANGER = """
import socket, time
held = []
while len(held) < 50:
    try:
        held.append(socket.create_connection(("algo-1", 7787), timeout=1))
    except OSError:
        time.sleep(0.02)
time.sleep(3600)
"""

# Of a record: its side, labels and bytes.
Records = Mapping[str, tuple[str, tuple[float, ...], bytes]]


@pytest.fixture(scope="module")
def heap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return class folders of drawn pictures, each ninth one twice."""
    folder = tmp_path_factory.mktemp("heap")
    for name, count in COUNTS.items():
        (folder / name).mkdir()
        for seed in range(count):
            picture = draw(name, seed, 80, 60)
            (folder / name / f"{seed:03d}.jpg").write_bytes(picture)
            if seed % 9 == 0:
                (folder / name / f"{seed:03d}-copy.jpg").write_bytes(picture)
    return folder


@pytest.fixture
def network() -> Iterator[str]:
    """Make a network on which containers find each other by name, and remove it."""
    name = f"sagemaker-gluoncv-test-{uuid.uuid4().hex[:12]}"
    docker("network", "create", name)
    yield name
    docker("network", "rm", name)


def write_host(base: Path, host: str, hosts: Sequence[str], pictures: Mapping[Path, str]) -> list[str]:
    """Write what Processing gives one host: its configuration, and its part of the pictures; return the mounts."""
    for folder in ("config", "input", "output"):
        (base / folder).mkdir(parents=True)
    distribution = "ShardedByS3Key" if len(hosts) > 1 else "FullyReplicated"
    configs = {
        "resourceconfig": {"current_host": host, "hosts": list(hosts), "network_interface_name": "eth0"},
        "processingjobconfig": {
            "ProcessingInputs": [
                {
                    "InputName": "pictures",
                    "S3Input": {"LocalPath": INPUT, "S3DataDistributionType": distribution},
                }
            ]
        },
    }
    for name, content in configs.items():
        (base / "config" / f"{name}.json").write_text(json.dumps(content))
    for path, name in pictures.items():
        (base / "input" / name).parent.mkdir(exist_ok=True)
        (base / "input" / name).write_bytes(path.read_bytes())
    mounts = [f"{base}/config:/opt/ml/config:ro", f"{base}/input:{INPUT}:ro", f"{base}/output:{OUTPUT}"]
    return [flag for mount in mounts for flag in ("--volume", mount)]


def prepare(base: Path, heap: Path, hosts: Sequence[str], network: str = "none") -> list[Path]:
    """Run `prepare` on all hosts at once, each with its shard of the heap; return the folder that each wrote."""
    paths = sorted(heap.rglob("*.jpg"))
    with ExitStack() as stack:
        containers = []
        for rank, host in enumerate(hosts):
            shard = {path: path.relative_to(heap).as_posix() for path in paths[rank :: len(hosts)]}
            mounts = write_host(base / host, host, hosts, shard)
            flags = ("--hostname", host, "--network", network, "--entrypoint", "sagemaker-gluoncv", *USER)
            arguments = (INPUT, OUTPUT, *OPTIONS)
            # By its name a host is found only on a network that was made for it.
            alias = ("--network-alias", host) if network != "none" else ()
            container = stack.enter_context(started("prepare", *mounts, *flags, *alias, arguments=arguments))
            containers.append(container)
        for container in containers:
            assert container.wait() == 0, container.log
    return [base / host / "output" for host in hosts]


def records(folders: Sequence[Path]) -> Records:
    """Return all records by name; a name that comes twice is an error."""
    found: dict[str, tuple[str, tuple[float, ...], bytes]] = {}
    for path in sorted(path for folder in folders for path in folder.glob("*/*.rec")):
        names = [line.split("\t")[-1] for line in path.with_suffix(".lst").read_text().splitlines()]
        for name, record in zip(names, record_files.scan(path), strict=True):
            with path.open("rb") as file:
                payload = record_files.read_payload(file.fileno(), record.offset, record.size)
            assert name not in found
            found[name] = (path.parent.name, record.labels, recordio.unpack(payload).data)
    return found


@pytest.fixture(scope="module")
def alone(heap: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what one host makes of the heap."""
    (folder,) = prepare(tmp_path_factory.mktemp("alone"), heap, HOSTS[:1])
    return folder


def test_one_host_makes_channels_that_train(alone: Path, tmp_path: Path) -> None:
    """What `prepare` writes in the image trains there, and the names of the classes reach the artifact."""
    report = json.loads((alone / "report.json").read_text())
    assert len(report["left_out"]["exact-duplicate"]) == sum(-(-count // 9) for count in COUNTS.values())
    assert len(records([alone])) == 40 + 40 + 31
    settings = {"use_pretrained_model": "0", "image_shape": "3,32,32", "epochs": "1", "mini_batch_size": "8"}
    job: Job = train(tmp_path / "ml", settings, {name: alone / name for name in ("train", "validation")})
    assert job.exit_code == 0, job.log
    assert "In the data" not in job.log
    assert any('"flower"' in path.read_text() for path in job.model.glob("*.json"))


def test_two_hosts_make_what_one_makes(alone: Path, heap: Path, network: str, tmp_path: Path) -> None:
    """Two containers with a shard each: together the same records, on the same sides, and the same classes.

    A third one on their network connects as often as it can and says nothing.
    """
    with started("-c", "--network", network, "--entrypoint", "python3", arguments=(STRANGER,)):
        together = prepare(tmp_path, heap, HOSTS, network)
    assert all(records([folder]) for folder in together)
    assert records(together) == records([alone])
    assert {(folder / "classes.json").read_text() for folder in [*together, alone]} == {'["bird", "car", "flower"]'}
