"""The hosts of a job: which there are, which of them this is, and the network between them.

Source: "How Amazon SageMaker provides training information" (input/config/resourceconfig.json) and "How Amazon
SageMaker runs your processing container image" (config/resourceconfig.json) in the SageMaker developer guide.
"""

from dataclasses import dataclass

from .contract import Paths
from .errors import ClientError

_CONFIG = "resourceconfig"


@dataclass(frozen=True)
class Hosts:
    """The hosts of a job.

    `names` are sorted, so that every host agrees on who is the first; on a machine of the user's own, where the
    platform names none, there is one without a name. `rank` is this host's place among them, from 0. `interface` is the
    network interface by which they reach each other, None where the platform names none.
    """

    names: tuple[str, ...] = ("",)
    rank: int = 0
    interface: str | None = None

    @classmethod
    def from_platform(cls, paths: Paths) -> "Hosts":
        """Return the hosts that the platform names, of a Processing job or of a training job.

        Raises ClientError if the file contradicts itself.
        """
        config = paths.read_processing_config(_CONFIG) or paths.read_config(_CONFIG)
        names = config.get("hosts") or [config.get("current_host") or ""]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise ClientError(f"{_CONFIG}.json has hosts {names!r}", "It must be a list of names")
        names = tuple(sorted(set(names)))
        current = config.get("current_host", names[0] if len(names) == 1 else None)
        if current not in names:
            raise ClientError(f"{_CONFIG}.json has current_host {current!r}", f"The hosts are {', '.join(names)}")
        return cls(names, names.index(current), config.get("network_interface_name"))

    @property
    def current(self) -> str:
        """The name of this host."""
        return self.names[self.rank]

    @property
    def first(self) -> str:
        """The name of the host that leads the others."""
        return self.names[0]

    @property
    def alone(self) -> bool:
        """Whether there is no other host."""
        return len(self.names) == 1

    @property
    def leads(self) -> bool:
        """Whether this host leads the others: it does what is to be done once."""
        return self.rank == 0
