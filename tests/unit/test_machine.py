"""machine: the CPUs and the memory of this container."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import machine

CPUS = float(len(os.sched_getaffinity(0)))


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, CPUS),
        ({"cpu.max": "max 100000\n"}, CPUS),
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "99900000 100000\n"}, CPUS),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, CPUS),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 0.5),
        ({"cpu.max": "20000 100000\n", "cpu/cpu.cfs_quota_us": "25000", "cpu/cpu.cfs_period_us": "50000"}, 0.2),
    ],
    ids=["none", "v2 without limit", "v2", "v2 above the host", "v1 without limit", "v1", "v2 goes before v1"],
)
def test_cpu_count_is_the_containers(tmp_path: Path, files: dict[str, str], cpus: float) -> None:
    """The cgroup's quota counts, not the host's processors."""
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content)
    assert machine.cpu_count(tmp_path) == cpus


def test_cpu_count_respects_affinity(tmp_path: Path) -> None:
    """A process that is bound to one processor counts one."""
    code = (
        "import os, pathlib; from sagemaker_gluoncv_container.machine import cpu_count;"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(cpu_count(pathlib.Path(os.devnull)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "1.0\n"


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"pids.max": "max", "pids.current": "7"}, None),
        ({"pids.max": "100", "pids.current": "7"}, 93),
        ({"pids/pids.max": "5", "pids/pids.current": "9"}, 0),
    ],
)
def test_processes(tmp_path: Path, files: dict[str, str], expected: int | None) -> None:
    """The cgroup says how many more processes and threads there may be, in either of its versions."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert machine.processes_available(tmp_path) == expected


def test_a_folder_to_write_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first that takes a file: memory, Python's own choice, then whatever is mounted; none where nothing does."""
    mounts = tmp_path / "mounts"
    there = tmp_path / "a place"
    there.mkdir()
    mounts.write_text(f"proc /proc proc rw 0 0\ntmpfs {str(there).replace(' ', chr(92) + '040')} tmpfs rw 0 0\n")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    refused = {Path("/dev/shm"), tmp_path / "absent"}
    real = machine._is_writable
    assert machine.writable_folder(mounts) in (Path("/dev/shm"), there)
    monkeypatch.setattr(machine, "_is_writable", lambda folder: folder not in refused and real(folder))
    assert machine.writable_folder(mounts) == there
    monkeypatch.setattr(machine, "_is_writable", lambda _folder: False)
    assert machine.writable_folder(mounts) is None
