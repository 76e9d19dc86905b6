"""devices: what CUDA's driver says about GPUs, which of them MXNet can compute on, and the messages."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import devices
from sagemaker_gluoncv_container.devices import Gpu
from sagemaker_gluoncv_container.errors import ClientError

T4, K80 = "Tesla T4=7.5", "Tesla K80=3.7"


@pytest.fixture
def host(stub_driver: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Return a function that puts GPUs into this host; the MXNet that is installed counts as built for them."""
    monkeypatch.setattr(devices, "PACKAGE", "mxnet")
    monkeypatch.setattr(devices, "_DRIVER", str(stub_driver / "libcuda.so.1"))

    def put(gpus: str) -> None:
        monkeypatch.setenv("STUB_GPUS", gpus)
        devices._found.cache_clear()

    yield put
    devices._found.cache_clear()


def test_gpus_are_found(host: Callable[[str], None]) -> None:
    """The driver's devices come in its order, each with its name and capability."""
    host(f"{T4};NVIDIA A100-SXM4-40GB=8.0")
    assert devices.gpus() == (Gpu("Tesla T4", (7, 5)), Gpu("NVIDIA A100-SXM4-40GB", (8, 0)))


def test_the_driver_is_asked_once(host: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of the driver is kept: a process that is forked later must not ask it again."""
    host(T4)
    first = devices.gpus()
    monkeypatch.setenv("STUB_GPUS", "")
    assert devices.gpus() == first


@pytest.mark.parametrize(
    ("capability", "usable"),
    [
        ((3, 5), False),
        ((3, 7), False),
        ((5, 0), True),
        ((5, 2), True),
        ((6, 1), True),
        ((7, 0), True),
        ((7, 5), True),
        ((8, 0), True),
        ((8, 6), True),
        ((8, 9), True),
        ((9, 0), False),
        ((10, 0), False),
        ((12, 0), False),
    ],
    ids=str,
)
def test_machine_code_runs_within_a_major_number(capability: tuple[int, int], usable: bool) -> None:
    """K80, Hopper and what came after have no machine code; T4 runs Volta's, L4 runs A10G's."""
    assert Gpu("", capability).is_usable == usable


def test_the_gpus_are_named(host: Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    """The log has one line on the GPUs that are computed on."""
    caplog.set_level(logging.INFO)
    host(f"{T4};{T4}")
    devices.check()
    name = "Tesla T4 (compute capability 7.5)"
    assert caplog.messages == [f"Computing on 2 GPUs: {name}, {name}"]


def test_no_gpu(host: Callable[[str], None], caplog: pytest.LogCaptureFixture) -> None:
    """Without a GPU one line says so, with the driver's answer: 100 is CUDA_ERROR_NO_DEVICE."""
    caplog.set_level(logging.INFO)
    host("")
    devices.check()
    assert devices.gpus() == ()
    assert caplog.messages == ["No GPU was found (CUDA's driver answers 100): computing on the CPU"]


def test_no_driver(
    host: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a driver there are no GPUs, and the line names the library that is missing."""
    caplog.set_level(logging.INFO)
    host(T4)
    monkeypatch.setattr(devices, "_DRIVER", "libcuda-that-is-missing.so.1")
    devices.check()
    assert devices.gpus() == ()
    [line] = caplog.messages
    assert line.startswith("No GPU was found (libcuda-that-is-missing.so.1: ")


@pytest.mark.parametrize(("gpus", "name"), [(f"{T4};{K80}", "Tesla K80"), ("NVIDIA H100 80GB HBM3=9.0", "NVIDIA H100")])
def test_gpu_without_machine_code(host: Callable[[str], None], gpus: str, name: str) -> None:
    """The error names the GPU, its capability, what there is machine code for, and every instance type to take."""
    host(gpus)
    with pytest.raises(ClientError) as caught:
        devices.check()
    message = str(caught.value)
    assert f"MXNet cannot compute on this instance's GPU, {name}" in message
    assert f"(compute capability {gpus[-3:]})" in message
    assert "It has machine code for 5.0, 6.0, 7.0, 8.0, 8.6 and later minor versions of these." in message
    assert all(f"ml.{each}" in message for each in ("p3", "g4dn", "p4d", "g5", "g6"))


def test_an_mxnet_for_cpus(
    host: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The CPU image computes on the CPU whatever GPUs the host has, and says nothing of it."""
    caplog.set_level(logging.INFO)
    host(K80)
    monkeypatch.setattr(devices, "PACKAGE", "mxnet-cu112")
    devices.check()
    assert devices.gpus() == ()
    assert caplog.messages == []
