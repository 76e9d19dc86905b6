"""Promise: in the GPU image MXNet finds all that it links, and on a host without a GPU it runs on the CPU."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from support.containers import IMAGE_GPU, Job, alarming_lines, docker, serving, train

LIBRARY = "/opt/venv/lib/python3.11/site-packages/mxnet/libmxnet.so"
# Without this stand-in of ours, the image has no libcuda.so.1.
NO_DRIVER = "/usr/lib/libcuda.so.1"
# cuDNN loads these by itself, when it is first asked for what is in them.
CUDNN = [f"libcudnn_{part}_{use}.so.8" for part in ("ops", "cnn", "adv") for use in ("infer", "train")]


def inside(script: str, *flags: str) -> str:
    """Return what a shell script prints in the GPU image."""
    return docker("run", "--rm", "--network", "none", *flags, IMAGE_GPU, "sh", "-c", script)


def linked(*flags: str, before: str = "true") -> Mapping[str, str]:
    """Return where the loader finds each library that libmxnet.so needs, directly or not."""
    lines = inside(f"{before}; ldd {LIBRARY}", *flags)
    return dict(re.findall(r"(\S+) => (not found|\S+)", lines))


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory, drawn: Mapping[str, Path], hyperparameters: Mapping[str, str]) -> Job:
    """Return a job of the GPU image, on this host, which shows it no GPU."""
    return train(tmp_path_factory.mktemp("gpu"), hyperparameters, drawn, image=IMAGE_GPU)


def test_only_the_driver_is_missing() -> None:
    """Every library of libmxnet.so, and every library of those, is in the image, but for the driver's libcuda.so.1."""
    found = linked(before=f"rm {NO_DRIVER}")
    assert [name for name, path in found.items() if path == "not found"] == ["libcuda.so.1"]
    cuda = {name for name, path in found.items() if "/nvidia/" in path}
    assert {"libcudnn.so.8", "libnccl.so.2", "libcudart.so.11.0", "libcublas.so.11", "libnvrtc.so.11.2"} <= cuda


def test_cudnn_finds_its_parts() -> None:
    """What cuDNN loads only later is found without LD_LIBRARY_PATH, too, and so is what that needs."""
    code = f"import ctypes; [ctypes.CDLL(name) for name in {CUDNN}]; print('loaded')"
    assert inside(f'python3 -c "{code}"').strip() == "loaded"


@pytest.mark.parametrize("before", ["true", "ldconfig"])
@pytest.mark.parametrize("folder", ["/usr/lib/x86_64-linux-gnu", "/usr/lib64"])
def test_a_driver_goes_before_the_stand_in(folder: str, before: str) -> None:
    """A libcuda.so.1 that NVIDIA's runtime mounts is the one that is used, whether or not it lets ldconfig run."""
    if folder == "/usr/lib64":
        # The runtime's hook lists a folder that is not Debian's, and then does run ldconfig.
        before = f"echo {folder} >/etc/ld.so.conf.d/00-nvcr.conf; ldconfig"
    found = linked(before=f"cp {NO_DRIVER} {folder}/libcuda.so.1; {before}")
    assert Path(found["libcuda.so.1"]).parent == Path(folder.removeprefix("/usr")) or found["libcuda.so.1"].startswith(
        folder
    )


def test_it_announces_itself_to_the_runtime() -> None:
    """Its variables give NVIDIA's runtime all GPUs, and the driver's libraries that compute and tell about GPUs."""
    environ = json.loads(docker("image", "inspect", "--format", "{{json .Config.Env}}", IMAGE_GPU))
    assert {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"} <= set(environ)
    assert "NVIDIA_REQUIRE_CUDA=cuda>=11.2" in environ


@pytest.mark.usefixtures("pretrained")
def test_it_trains_on_the_cpu(job: Job) -> None:
    """A job on a host without a GPU ends well, and learns what the CPU image learns."""
    assert job.exit_code == 0, job.log
    assert not alarming_lines(job.log), job.log
    accuracies = re.findall(r"Validation-accuracy=([\d.]+)", job.log)
    assert float(accuracies[-1]) > 0.5


def test_it_serves_on_the_cpu(job: Job, flower: bytes) -> None:
    """An endpoint on a host without a GPU answers."""
    with serving(job.model, image=IMAGE_GPU) as server:
        assert sum(server.ask(flower).json()) == pytest.approx(1, abs=1e-3)
