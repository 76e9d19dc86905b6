"""params: MXNet's .params files, read and written without MXNet."""

import struct
import subprocess
import sys
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference import params

TYPES = ("float32", "float64", "float16", "uint8", "int32", "int8", "int64")


def test_every_type_and_shape(tmp_path: Path) -> None:
    """What MXNet wrote is read as MXNet reads it, whatever the type and shape."""
    path = tmp_path / "net.params"
    shapes = ((1,), (3, 1, 2), (2, 3, 4, 5))
    random = np.random.default_rng(0)
    arrays = {
        f"arg:{kind} {shape}": mx.nd.array(random.normal(0, 50, shape).astype(kind), dtype=kind)
        for kind in TYPES
        for shape in shapes
    }
    mx.nd.save(str(path), arrays)
    found = params.read(path)
    assert list(found) == list(arrays)
    for name, array in arrays.items():
        assert (found[name].dtype, found[name].shape) == (np.dtype(array.dtype), array.shape)
        assert (found[name] == array.asnumpy()).all()


@pytest.mark.parametrize("version", [0, 1])
def test_older_versions(tmp_path: Path, version: int) -> None:
    """Arrays as MXNet wrote them before its version 1.0 are read as MXNet 1.9.1 reads them."""
    path, values = tmp_path / "old.params", np.arange(6, dtype="<f4")
    shape = struct.pack("<3I", 2, 2, 3) if version == 0 else struct.pack("<2I2q", 0xF993FAC8, 2, 2, 3)
    array = shape + struct.pack("<3i", 1, 0, 0) + values.tobytes()
    path.write_bytes(struct.pack("<3Q", 0x112, 0, 1) + array + struct.pack("<2Q", 1, 5) + b"arg:w")
    assert (params.read(path)["arg:w"] == values.reshape(2, 3)).all()
    assert (mx.nd.load(str(path))["arg:w"].asnumpy() == values.reshape(2, 3)).all()


def test_damaged(tmp_path: Path) -> None:
    """A file that was cut anywhere, or is something else, is one error that says so."""
    path = tmp_path / "net.params"
    mx.nd.save(str(path), {"arg:w": mx.nd.ones((2, 2))})
    whole = path.read_bytes()
    for content in (*(whole[:length] for length in range(len(whole))), b"nonsense" * 9, whole[:40] + whole):
        path.write_bytes(content)
        with pytest.raises(ClientError, match="cannot be loaded"):
            params.read(path)


@pytest.mark.parametrize(
    ("sizes", "flag", "why"),
    [
        ((-1, 2), 0, "the size -1"),
        ((2, -3), 0, "the size -3"),
        ((2**40, 2**40), 0, "int"),
        ((1 << 20, 1 << 20), 0, "buffer"),
        ((2,), 7, "unknown type 7"),
        ((2,), -1, "unknown type -1"),
    ],
)
def test_wrong_numbers(tmp_path: Path, sizes: tuple[int, ...], flag: int, why: str) -> None:
    """Sizes and types that no array has are one error, and never read as another array."""
    path = tmp_path / "net.params"
    shape = struct.pack(f"<IiI{len(sizes)}q", 0xF993FAC9, 0, len(sizes), *sizes)
    array = shape + struct.pack("<3i", 1, 0, flag) + bytes(64)
    path.write_bytes(struct.pack("<3Q", 0x112, 0, 1) + array + struct.pack("<2Q", 1, 5) + b"arg:w")
    with pytest.raises(ClientError, match=f"cannot be loaded.*{why}"):
        params.read(path)


def test_sparse(tmp_path: Path) -> None:
    """A sparse array, which no net of ours has, is refused."""
    path = tmp_path / "net.params"
    mx.nd.save(str(path), {"arg:w": mx.nd.ones((2, 2)).tostype("row_sparse")})
    with pytest.raises(ClientError, match="sparse"):
        params.read(path)


def test_needs_no_mxnet() -> None:
    """The module loads where MXNet is not to be had."""
    code = "import sys; sys.modules.update(mxnet=None); import sagemaker_gluoncv_container.inference.params"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_written_as_mxnet_writes(tmp_path: Path) -> None:
    """What is written is byte for byte what mx.nd.save writes, for every type and shape, and for no array at all."""
    random = np.random.default_rng(1)
    arrays = {
        f"arg:{kind} ü": random.normal(0, 50, shape).astype(kind) for kind in TYPES for shape in ((3, 1, 2), (7,))
    }
    # As a view into another array: its values lie apart in memory.
    arrays["aux:turned"] = random.normal(0, 1, (4, 5)).astype("float32").T
    for number, each in enumerate((arrays, {})):
        ours, theirs = tmp_path / f"{number}.ours", tmp_path / f"{number}.theirs"
        params.write(ours, each)
        mx.nd.save(str(theirs), {name: mx.nd.array(array, dtype=array.dtype) for name, array in each.items()})
        assert ours.read_bytes() == theirs.read_bytes()


def test_written_to_a_full_disk() -> None:
    """A disk that is full is an OSError that says so, also if only the last bytes did not fit."""
    for size in (1, 10**6):
        with pytest.raises(OSError, match="No space left on device"):
            params.write(Path("/dev/full"), {"arg:w": np.ones(size, np.float32)})
