"""What this container may use of the machine: CPUs, memory and processes, as its cgroup limits them; where to write."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def cpu_count(cgroup: Path = Path("/sys/fs/cgroup")) -> float:
    """Return the CPUs this container may use: its affinity, cut by its cgroup's quota (v2, then v1).

    os.cpu_count() is the host's, which is how servers come to start 96 workers in half a CPU.
    """
    cpus = float(len(os.sched_getaffinity(0)))
    v2, v1 = cgroup / "cpu.max", cgroup / "cpu"
    if v2.exists():
        quota, period = v2.read_text().split()
    elif (v1 / "cpu.cfs_quota_us").exists():
        quota, period = ((v1 / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    else:
        return cpus
    limited = quota != "max" and int(quota) > 0
    return min(cpus, int(quota) / int(period)) if limited else cpus


def memory_available(cgroup: Path = Path("/sys/fs/cgroup")) -> int:
    """Return the bytes this container may still take: its cgroup's limit (v2, then v1), else the host's memory.

    What the cgroup counts as inactive file cache can be had back, and is counted as available.
    """
    available = int(psutil.virtual_memory().available)
    v2, v1 = cgroup, cgroup / "memory"
    if (v2 / "memory.max").exists():
        limit, used, statistics = v2 / "memory.max", v2 / "memory.current", v2 / "memory.stat"
    elif (v1 / "memory.limit_in_bytes").exists():
        limit, used, statistics = v1 / "memory.limit_in_bytes", v1 / "memory.usage_in_bytes", v1 / "memory.stat"
    else:
        return available
    if limit.read_text().strip() == "max":
        return available
    cache = dict(line.split() for line in statistics.read_text().splitlines()).get("inactive_file", "0")
    return min(available, int(limit.read_text()) - int(used.read_text()) + int(cache))


def processes_available(cgroup: Path = Path("/sys/fs/cgroup")) -> int | None:
    """Return how many more processes and threads this container may have (cgroup v2, then v1); None for any number."""
    for folder in (cgroup, cgroup / "pids"):
        limit, current = folder / "pids.max", folder / "pids.current"
        if limit.exists() and current.exists():
            most = limit.read_text().strip()
            return None if most == "max" else max(0, int(most) - int(current.read_text()))
    return None


# File systems in which a file is not a file.
_NO_FILES = {"cgroup", "cgroup2", "devpts", "mqueue", "proc", "sysfs"}


def writable_folder(mounts: Path = Path("/proc/self/mounts")) -> Path | None:
    """Return a folder in which this process can write, the quickest first; None if there is none."""
    return next((folder for folder in _folders(mounts) if _is_writable(folder)), None)


def _folders(mounts: Path) -> Iterator[Path]:
    yield Path("/dev/shm")
    with suppress(FileNotFoundError):
        # TMPDIR and its like, /tmp, /var/tmp, the working directory.
        yield Path(tempfile.gettempdir())
    for line in mounts.read_text().splitlines():
        _, folder, kind, *_ = line.split()
        if kind not in _NO_FILES:
            # It has spaces and their like in octal digits.
            yield Path(folder.encode().decode("unicode_escape"))


def _is_writable(folder: Path) -> bool:
    with suppress(OSError), tempfile.TemporaryFile(dir=folder):
        return True
    return False
