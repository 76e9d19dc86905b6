"""Reads and writes MXNet's .params format without MXNet, whose import costs seconds and hundreds of megabytes.

    uint64 0x112, uint64 0, uint64 number of arrays, the arrays, uint64 number of names, (uint64 length, bytes) per name

An array is: a magic number that gives its version; from version 2 on, an int32 storage type (0: dense); its shape as
uint32 dimensions and int64 sizes; an int32 device type and id; an int32 data type; its values. The oldest version has
no magic number: it begins with the dimensions, and its sizes are uint32. Everything is little-endian. Source:
NDArray::Save and Load in MXNet's src/ndarray/ndarray.cc.
"""

import math
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ClientError

_FILE_MAGIC = 0x112
_VERSION_1, _VERSION_2, _VERSION_3 = 0xF993FAC8, 0xF993FAC9, 0xF993FACA
# mshadow's type flags.
_TYPES = ("<f4", "<f8", "<f2", "u1", "<i4", "i1", "<i8")
_MOST_DIMENSIONS = 32
# The device that an array was on: MXNet puts it where it is loaded.
_CPU = 1


class _Reader:
    """Reads one value after the other; raises struct.error at the end of the file."""

    def __init__(self, buffer: mmap.mmap) -> None:
        self.buffer, self.offset = buffer, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        values = struct.unpack_from(f"<{form}", self.buffer, self.offset)
        self.offset += struct.calcsize(f"<{form}")
        return values

    def number(self, form: str) -> int:
        return int(self.numbers(form)[0])

    def text(self) -> str:
        length = self.number("Q")
        (value,) = self.numbers(f"{length}s")
        return str(value, "utf-8")

    def array(self) -> NDArray[Any]:
        """Return a view of the file, which lives as long as the array does."""
        shape = self._shape()
        _device_type, _device, flag = self.numbers("3i")
        if not 0 <= flag < len(_TYPES):
            raise ValueError(f"an array has the unknown type {flag}")
        kind = np.dtype(_TYPES[flag])
        array: NDArray[Any] = np.frombuffer(self.buffer, kind, math.prod(shape), self.offset).reshape(shape)
        self.offset += array.nbytes
        return array

    def _shape(self) -> tuple[int, ...]:
        version = self.number("I")
        if version in (_VERSION_2, _VERSION_3):
            if self.number("i") != 0:
                raise ValueError("an array is sparse")
        elif version != _VERSION_1:
            return self._sizes(version, "I")
        return self._sizes(self.number("I"), "q")

    def _sizes(self, dimensions: int, form: str) -> tuple[int, ...]:
        if not 0 < dimensions <= _MOST_DIMENSIONS:
            raise ValueError(f"an array of {dimensions} dimensions")
        sizes = self.numbers(f"{dimensions}{form}")
        if min(sizes) < 0:
            raise ValueError(f"an array has the size {min(sizes)}")
        return sizes


def read(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a .params file by name, as views of the file. Raises ClientError if it is damaged."""
    try:
        with path.open("rb") as file:
            reader = _Reader(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        if reader.numbers("QQ") != (_FILE_MAGIC, 0):
            raise ValueError("it begins with something else")
        arrays = [reader.array() for _ in range(reader.number("Q"))]
        names = [reader.text() for _ in range(reader.number("Q"))]
        return dict(zip(names, arrays, strict=True))
    except (ValueError, OverflowError, struct.error) as error:
        why = f"It is not a parameter file of MXNet: {error}"
        raise ClientError(f"{path} cannot be loaded", why, "Save the model again") from error


def write(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name as MXNet's `mx.nd.save` does, byte for byte. Raises OSError.

    A C++ library says of a full disk only that it failed, and does not see what is lost when the file is closed.
    """
    with path.open("wb") as file:
        file.write(struct.pack("<3Q", _FILE_MAGIC, 0, len(arrays)))
        for array in arrays.values():
            flag = _TYPES.index(array.dtype.str.lstrip("|"))
            shape = struct.pack(f"<IiI{array.ndim}q", _VERSION_2, 0, array.ndim, *array.shape)
            file.write(shape + struct.pack("<3i", _CPU, 0, flag))
            file.write(np.ascontiguousarray(array).data)
        file.write(struct.pack("<Q", len(arrays)))
        for name in map(str.encode, arrays):
            file.write(struct.pack("<Q", len(name)) + name)
