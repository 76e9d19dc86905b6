"""Two hosts with a sharded source write, together, what one host writes."""

import json
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from support.prepared import Packed, Prepare, Prepared, draw_folders, encoded
from support.processes import PREPARE, environment, free_port

# Two names that are two hosts to the protocol, and one machine to the network.
HOSTS = ["127.0.0.1", "127.0.0.2"]
SECONDS = 120


def base_of(host: str, folder: Path, distribution: str) -> Path:
    """Write what SageMaker Processing writes for a host; return its /opt/ml."""
    base = folder / host
    (base / "config").mkdir(parents=True)
    resources = {"current_host": host, "hosts": HOSTS, "network_interface_name": "eth0"}
    (base / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    source = {"LocalPath": str(base / "processing" / "input"), "S3DataDistributionType": distribution}
    job = {"ProcessingInputs": [{"InputName": "pictures", "S3Input": source}]}
    (base / "config" / "processingjobconfig.json").write_text(json.dumps(job))
    return base


def run_hosts(bases: list[Path], *options: str) -> list[Prepared]:
    """Run the command on every host at once; return what each wrote."""
    port, processes = free_port(), []
    for base in bases:
        command = [*PREPARE, str(base / "processing" / "input"), str(base / "processing" / "output"), "--no-progress"]
        command += ["--host-port", str(port), "--host-seconds", str(SECONDS), *options]
        output = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        processes.append(subprocess.Popen(command, env=environment(base), **output))
    try:
        for process in processes:
            output, _ = process.communicate(timeout=SECONDS)
            assert process.returncode == 0, output.decode()
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [Prepared(base / "processing" / "output") for base in bases]


def by_name(prepared: list[Prepared]) -> dict[str, Packed]:
    """Return the records of all hosts by name, each in one place only."""
    records = [packed for each in prepared for packed in each.records()]
    assert len({packed.name for packed in records}) == len(records)
    return {packed.name: packed for packed in records}


@pytest.mark.parametrize("distribution", ["ShardedByS3Key", "FullyReplicated"])
def test_two_hosts_write_what_one_writes(distribution: str, prepare: Prepare, tmp_path: Path) -> None:
    """Sides, labels, bytes, classes and the report are those of one host, with duplicates across hosts."""
    whole = draw_folders(tmp_path / "whole", {"bird": 60, "car": 50, "flower": 33})
    for path in sorted(whole.rglob("*.jpg"))[::9]:
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
        path.with_name(f"near-{path.name}").write_bytes(encoded(Image.open(path), quality=60))
    bases = [base_of(host, tmp_path, distribution) for host in HOSTS]
    for number, path in enumerate(sorted(path for path in whole.rglob("*.jpg"))):
        for rank, base in enumerate(bases):
            if distribution == "FullyReplicated" or number % 2 == rank:
                target = base / "processing" / "input" / path.relative_to(whole)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(path.read_bytes())
    options = ("--resize", "40", "--per-class", "bird=50", "--train-ratio", "0.8")
    alone = prepare(whole, *options)
    together = run_hosts(bases, *options)
    assert by_name(together) == by_name([alone])
    assert all(each.records() for each in together)
    assert [each.classes for each in together] == [alone.classes] * 2
    assert together[0].left_out() == alone.left_out()
    assert len(alone.left_out()["exact-duplicate"]) == len(alone.left_out()["near-duplicate"]) == 16
    assert together[0].report["per_class"] == alone.report["per_class"]
