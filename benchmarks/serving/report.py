"""Tables in Markdown of what was measured."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from measure import Timing, ratio

BEGIN, END = "<!-- benchmarks/serving: begin -->", "<!-- benchmarks/serving: end -->"


@dataclass
class Result:
    """What was measured of one server: seconds, MiB, and the figures of each load; or why there is nothing."""

    name: str
    shape: str = ""
    ready: float = math.nan
    first_answer: float = math.nan
    # Of two workers, after the load of 8 clients.
    memory: float = math.nan
    # The largest difference of a probability from the reference.
    difference: float = math.nan
    loads: dict[str, Timing] = field(default_factory=dict)
    reason: str = ""

    @property
    def capacity(self) -> float:
        """The most requests a second of any load."""
        return max((each.requests_per_second for each in self.loads.values()), default=math.nan)


def number(value: float) -> str:
    """Return three digits, or a dash for what is unknown."""
    if math.isnan(value):
        return "-"
    digits = 0 if value >= 100 else 1 if value >= 10 else 2
    return f"{value:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def load_table(results: list[Result], load: str) -> str:
    """Return the figures of a load, and how many times better the first of the results is than each."""
    best = results[0].loads[load]
    rows = []
    for result in results:
        if (timing := result.loads.get(load)) is None:
            continue
        ideal = 1000 * 64 / result.capacity
        ratios = (
            ratio(best.requests_per_second, timing.requests_per_second, more_is_better=True),
            ratio(best.p50, timing.p50, more_is_better=False),
            ratio(best.p99, timing.p99, more_is_better=False),
            ratio(best.cpu, timing.cpu, more_is_better=False),
        )
        figures = [timing.requests_per_second, timing.p50, timing.p99, timing.cpu]
        failed = f"{timing.failures} of {timing.requests}"
        over = [number(timing.p99 / ideal)] if load.startswith("64") else []
        rows.append([result.name, *map(number, figures), failed, *over, *map(number, ratios)])
    over = ["p99 / (64 / capacity)"] if load.startswith("64") else []
    better = [f"{what}: ours better by" for what in ("requests/s", "p50", "p99", "CPU-ms")]
    return table([load, "requests/s", "p50 ms", "p99 ms", "CPU-ms a request", "failed", *over, *better], rows)


def start_table(results: list[Result]) -> str:
    """Return how the servers ran, their start and their memory, and how many times better the first is than each."""
    best, rows = results[0], []
    for result in results:
        if result.reason:
            rows.append([result.name, f"left out: {result.reason}", *[""] * 7])
            continue
        figures = [result.ready, result.first_answer, result.memory]
        pairs = zip((best.ready, best.first_answer, best.memory), figures, strict=True)
        ratios = [ratio(ours, theirs, more_is_better=False) for ours, theirs in pairs]
        rows.append(
            [result.name, result.shape, f"{result.difference:.1g}", *map(number, figures), *map(number, ratios)]
        )
    head = ["server", "workers x threads", "largest difference of a probability"]
    head += ["ping after s", "first answer after s", "MiB of 2 workers"]
    return table([*head, *(f"{what}: ours better by" for what in ("ping", "first answer", "memory"))], rows)


def alone_table(alone: dict[str, dict[str, float]], results: list[Result], load: str) -> str:
    """Return what a picture costs without a server, and how many times that it costs with one."""
    served = {result.name: result.loads[load].cpu for result in results if load in result.loads}
    rows = []
    for name, costs in alone.items():
        net = costs["whole"] - costs["decode"]
        figures = [costs["decode"], net, costs["whole"], served[name], served[name] / costs["whole"]]
        rows.append([name, *map(number, figures)])
    head = [
        "CPU-ms a picture, batch 1",
        "decode and scale",
        "the net",
        "both alone",
        f"served, {load}",
        "served / alone",
    ]
    return table(head, rows)


def markdown(machine: str, about: str, results: list[Result], alone: dict[str, dict[str, float]]) -> str:
    """Return everything."""
    loads = list(results[0].loads)
    generator = max(timing.generator_cpu for result in results for timing in result.loads.values())
    parts = [
        f"{machine}. {about} The load generator, on the same cores, took at most {number(generator)} CPU-ms a request."
    ]
    parts += [start_table(results), *(load_table(results, load) for load in loads)]
    return "\n\n".join([*parts, alone_table(alone, results, "8 clients")])


def insert(document: Path, text: str) -> None:
    """Put the tables between the two marks of a document. Raises ValueError if it has none."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} has no lines {BEGIN} and {END} to put the tables between")
    document.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}")
