"""Tables in Markdown of what was measured."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from measure import Timing, ratio

BEGIN, END = "<!-- benchmarks/serving: begin -->", "<!-- benchmarks/serving: end -->"


@dataclass
class Result:
    """What was measured of one server: seconds, MiB, and the figures of each load; or why there is nothing."""

    name: str
    ours: bool
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
        """The most requests per second of any load."""
        return max((each.requests_per_second for each in self.loads.values()), default=math.nan)


@dataclass(frozen=True)
class Figure:
    """A figure by which servers are compared."""

    name: str
    of: Callable[[Result], float]
    more_is_better: bool = False


STARTING = (
    Figure("ping after s", lambda result: result.ready),
    Figure("first answer after s", lambda result: result.first_answer),
    Figure("MiB of 2 workers", lambda result: result.memory),
)


def loaded(load: str) -> tuple[Figure, ...]:
    """Return the figures of a load by which servers are compared."""
    return (
        Figure("requests/s", lambda result: result.loads[load].requests_per_second, more_is_better=True),
        Figure("p99", lambda result: result.loads[load].p99),
        Figure("CPU-ms a request", lambda result: result.loads[load].cpu),
    )


def number(value: float) -> str:
    """Return three digits, or a dash for what is unknown."""
    if math.isnan(value):
        return "-"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}"


def table(head: list[str], rows: list[list[str]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def start_table(results: list[Result]) -> str:
    """Return how the servers ran, their start and their memory; of one that did not run, why."""
    rows = []
    for result in results:
        figures = [number(figure.of(result)) for figure in STARTING]
        shape = f"left out: {result.reason}" if result.reason else result.shape
        rows.append([result.name, shape, f"{result.difference:.1g}", *figures])
    head = ["server", "workers x threads", "largest difference of a probability"]
    return table([*head, *(figure.name for figure in STARTING)], rows)


def load_table(results: list[Result], load: str) -> str:
    """Return the figures of a load; of 64 clients also how far p99 is from the best there can be."""
    rows, crowd = [], load.startswith("64")
    for result in results:
        timing = result.loads[load]
        figures = [timing.requests_per_second, timing.p50, timing.p99, timing.cpu]
        ideal = 1000 * 64 / result.capacity
        failed = f"{timing.failures} of {timing.requests}"
        rows.append([result.name, *map(number, figures), failed, *([number(timing.p99 / ideal)] if crowd else [])])
    head = [load, "requests/s", "p50 ms", "p99 ms", "CPU-ms a request", "failed"]
    return table([*head, *(["p99 / (64 / capacity)"] if crowd else [])], rows)


def ratio_table(results: list[Result], figures: tuple[Figure, ...]) -> str:
    """Return how many times better each of ours is than each peer, figure by figure."""
    peers = [result for result in results if not result.ours]

    def cell(one: Result, other: Result) -> str:
        return " / ".join(
            number(ratio(figure.of(one), figure.of(other), more_is_better=figure.more_is_better)) for figure in figures
        )

    head = [f"times better: {' / '.join(figure.name for figure in figures)}", *(peer.name for peer in peers)]
    return table(head, [[one.name, *(cell(one, peer) for peer in peers)] for one in results if one.ours])


def alone_table(alone: dict[str, dict[str, float]], results: list[Result], load: str) -> str:
    """Return what a picture costs without a server, and how many times that it costs with one."""
    served = {result.name: result.loads[load].cpu for result in results}
    rows = []
    for name, costs in alone.items():
        both, decode = costs["whole"], costs["decode"]
        rows.append([name, *map(number, [decode, both - decode, both, served[name], served[name] / both])])
    head = ["CPU-ms a picture, batch 1, one thread", "decode and scale", "the net", "both"]
    return table([*head, f"served, {load}", "served / both"], rows)


def markdown(machine: str, about: str, results: list[Result], alone: dict[str, dict[str, float]]) -> str:
    """Return everything."""
    ran = [result for result in results if not result.reason]
    loads = list(ran[0].loads)
    generator = max(timing.generator_cpu for result in ran for timing in result.loads.values())
    taken = f"The load generator, on the same cores, took at most {number(generator)} CPU-ms a request."
    parts = [f"{machine}. {about} {taken}", start_table(results), ratio_table(ran, STARTING)]
    for load in loads:
        parts += [load_table(ran, load), ratio_table(ran, loaded(load))]
    return "\n\n".join([*parts, alone_table(alone, ran, "8 clients")])


def split(document: Path) -> tuple[str, str]:
    """Return what is before and after the tables in a document. Raises ValueError if it lacks the marks around them."""
    before, begin, rest = document.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{document} has no lines {BEGIN} and {END}, between which the tables go")
    return before, after


def insert(document: Path, text: str) -> None:
    """Put the tables between the two marks of a document."""
    before, after = split(document)
    document.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
