"""What is measured of a server from outside: time, CPU time and memory of all its processes."""

import math
import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

MIB = 1024 * 1024
_FLAGS = ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least that share of the values does not exceed (nearest rank); NaN of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


def ratio(ours: float, theirs: float, *, more_is_better: bool) -> float:
    """Return how many times better ours is; NaN if either is unknown or zero."""
    if not ours or not theirs:
        return math.nan
    return ours / theirs if more_is_better else theirs / ours


class Tree:
    """A process with all its descendants."""

    def __init__(self, pid: int) -> None:
        self._root = psutil.Process(pid)

    def processes(self) -> list[psutil.Process]:
        """Return those that live, the root first."""
        with suppress(psutil.NoSuchProcess):
            return [self._root, *self._root.children(recursive=True)]
        return []

    def cpu_seconds(self) -> float:
        """Return what they have used so far, with what their ended children had used (/proc/<pid>/stat)."""
        total = 0.0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory(self) -> float:
        """Return their memory in MiB, pages that they share counted once (PSS)."""
        total = 0
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                total += process.memory_full_info().pss
        return total / MIB


@dataclass(frozen=True)
class Timing:
    """Figures of one load. Latencies and CPU time a request in milliseconds; failures by status or kind."""

    requests_per_second: float
    p50: float
    p99: float
    cpu: float
    failures: int
    requests: int
    generator_cpu: float

    @classmethod
    def of(
        cls, latencies: Sequence[float], window: float, answered: int, failures: int, cpu: float, generator: float
    ) -> "Timing":
        """Work the figures out from seconds; `cpu` is the server's over all `answered` and failed requests."""
        done = max(answered + failures, 1)
        return cls(
            requests_per_second=len(latencies) / window,
            p50=1000 * percentile(latencies, 0.5),
            p99=1000 * percentile(latencies, 0.99),
            cpu=1000 * cpu / done,
            failures=failures,
            requests=answered + failures,
            generator_cpu=1000 * generator / done,
        )


def seconds_until(condition: Callable[[], bool], began: float, deadline: float, what: str) -> float:
    """Return how long after `began` (time.monotonic()) the condition came true. Raises TimeoutError, with `what`."""
    while not condition():
        if time.monotonic() > began + deadline:
            raise TimeoutError(f"{what}: not within {deadline:.0f} s")
        time.sleep(0.01)
    return time.monotonic() - began


def machine() -> str:
    """Return what this machine is, in a line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    facts = dict(line.replace("\t", "").split(": ", 1) for line in lines if ": " in line)
    flags = [flag for flag in _FLAGS if flag in facts.get("flags", "").split()]
    memory = psutil.virtual_memory().total / 1024 / MIB
    cpus = len(psutil.Process().cpu_affinity())
    return f"{facts.get('model name', platform.machine())}, {cpus} cores ({', '.join(flags)}), {memory:.0f} GiB"
