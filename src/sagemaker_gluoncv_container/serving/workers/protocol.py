"""What the server and its worker processes say to each other, pickled, over one socket a worker.

    server -> worker                           worker -> server
    ("load", name, directory, override)        Loaded, or a ContainerError
    ("unload", name)                           None
    ("ping", "")                               None: it is alive
    ("measure", name, most threads)            Measured, None: the engine has no choice
    ("predict", name, [picture, ...], alone)   Answers

Kept apart from the worker, so that the server can read an answer without importing what computes.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Loaded:
    """What a model is computed with, and why with that."""

    engine: str
    precision: str
    why: str
