"""Keeps decoders from writing what they think of a file to stderr, between the lines of our log.

What they say that matters is in the error that they raise, which `refusals` turns into a reason.
"""

import ctypes
import logging
import warnings
from pathlib import Path

import PIL

# libtiff's functions that take a handler; without one they are silent. Source: TIFFError(3tiff), TIFFWarning(3tiff).
_SETTERS = ("TIFFSetErrorHandler", "TIFFSetWarningHandler")


def silence() -> None:
    """Silence Pillow's warnings, its log and its libtiff in this process. May be called again."""
    # Nobody can act on a warning about odd metadata.
    warnings.filterwarnings("ignore", module="PIL")
    logging.getLogger("PIL").setLevel(logging.CRITICAL + 1)
    # In the wheel, libtiff lies beside the package. Elsewhere it stays as loud as the system has it.
    for library in Path(PIL.__file__).parent.with_name("pillow.libs").glob("libtiff-*.so*"):
        loaded = ctypes.CDLL(str(library))
        for name in _SETTERS:
            setter = getattr(loaded, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
