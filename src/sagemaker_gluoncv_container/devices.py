"""The GPUs of this host, and whether MXNet can compute on them. A job uses them all, a serving worker uses one.

We ask CUDA's driver before MXNet does: MXNet cannot name a GPU, and on a GPU for which it has no machine code it fails
in the middle of the first batch. Source: CUDA Driver API, "Initialization" and "Device Management".
"""

import ctypes
import functools
import importlib.metadata
import logging
from dataclasses import dataclass

from .errors import ClientError

logger = logging.getLogger(__name__)

# The MXNet that computes on GPUs. We look for the package, because the server's front must not import MXNet.
PACKAGE = "mxnet-cu112"
_DRIVER = "libcuda.so.1"
# CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
_MAJOR, _MINOR = 75, 76
_NAME_LENGTH = 256
# What the fat binary of mxnet-cu112's libmxnet.so holds. It has no PTX, from which a driver could compile more.
MACHINE_CODE = ((5, 0), (6, 0), (7, 0), (8, 0), (8, 6))
INSTANCE_TYPES = "ml.p3, ml.g4dn, ml.p4d, ml.g5 or ml.g6"


@dataclass(frozen=True)
class Gpu:
    """A GPU: its name and its compute capability, such as (7, 5)."""

    name: str
    capability: tuple[int, int]

    def __str__(self) -> str:
        return f"{self.name} (compute capability {_dotted(self.capability)})"

    @property
    def is_usable(self) -> bool:
        """Whether MXNet has machine code for it: of the same major version, and of the same or an earlier minor one.

        Source: CUDA C++ Programming Guide, "Binary Compatibility".
        """
        major, minor = self.capability
        return any(major == code_major and minor >= code_minor for code_major, code_minor in MACHINE_CODE)


def is_for_gpus() -> bool:
    """Return whether the installed MXNet was built for GPUs."""
    try:
        importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def gpus() -> tuple[Gpu, ...]:
    """Return the GPUs to compute on, in the order in which MXNet numbers them; none if MXNet was not built for GPUs."""
    return _found()[0] if is_for_gpus() else ()


def check() -> None:
    """Log in one line which GPUs this process computes on; log nothing if MXNet was not built for GPUs.

    Raises ClientError if there is a GPU for which MXNet has no machine code.
    """
    if not is_for_gpus():
        return
    found, reason = _found()
    if not found:
        logger.info("No GPU was found (%s): computing on the CPU", reason)
        return
    if unusable := [gpu for gpu in found if not gpu.is_usable]:
        raise ClientError(
            f"MXNet cannot compute on this instance's GPU, {unusable[0]}",
            f"It has machine code for {', '.join(map(_dotted, MACHINE_CODE))} and later minor versions of these",
            f"Use an instance type of {INSTANCE_TYPES}, or the CPU image",
        )
    logger.info("Computing on %d %s: %s", len(found), "GPU" if len(found) == 1 else "GPUs", ", ".join(map(str, found)))


def _dotted(capability: tuple[int, int]) -> str:
    return ".".join(map(str, capability))


# Once per process: an initialised driver does not work in a process that is forked later, as gunicorn's are.
@functools.cache
def _found() -> tuple[tuple[Gpu, ...], str]:
    """Return the GPUs that the driver shows to this process, or none and the reason."""
    try:
        driver = ctypes.CDLL(_DRIVER)
    except OSError as error:
        return (), str(error)
    count = ctypes.c_int()
    if code := driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return (), f"CUDA's driver answers {code}"
    return tuple(_gpu(driver, number) for number in range(count.value)), "CUDA's driver shows none"


def _gpu(driver: ctypes.CDLL, number: int) -> Gpu:
    device, name = ctypes.c_int(), ctypes.create_string_buffer(_NAME_LENGTH)
    driver.cuDeviceGet(ctypes.byref(device), number)
    driver.cuDeviceGetName(name, _NAME_LENGTH, device)
    values = []
    for attribute in (_MAJOR, _MINOR):
        value = ctypes.c_int()
        driver.cuDeviceGetAttribute(ctypes.byref(value), attribute, device)
        values.append(value.value)
    return Gpu(name.value.decode(errors="replace"), (values[0], values[1]))
