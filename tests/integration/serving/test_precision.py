"""Promise: a net is computed in int8 where that passed and the CPU can; the choice is logged and shown."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container import artifact, images
from sagemaker_gluoncv_container.decoding.picture import decode
from sagemaker_gluoncv_container.inference import quantization
from sagemaker_gluoncv_container.inference.engine_openvino import OpenVINOEngine
from support.model_server import Server, serve, write_model

# oneDNN's names of what a CPU may be taken for, from one without VNNI and AMX to the oldest.
OLDER = ("AVX512_CORE", "AVX2", "SSE41")


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with a small model that was calibrated for int8, and passed."""
    base = tmp_path_factory.mktemp("calibrated")
    model = write_model(base / "model", channels=32, layers=2)
    found = artifact.load(model)
    pictures = [draw(name, seed) for seed in range(10) for name in CLASSES]
    pixels = [images.for_evaluation(decode(each), found.description.preprocessing) for each in pictures]
    answers = OpenVINOEngine(found, int8=False, threads=1).compute(np.stack(pixels))
    made = quantization.quantize(model, pixels, zip(pixels, answers.argmax(1), strict=True), threads=1)
    assert made.refused is None
    return base


def chosen(server: Server) -> tuple[str, str]:
    """Return the engine and the precision that the metrics show; the log must say the same, once."""
    (shown,) = [name for name, value in server.metrics().items() if name.startswith("engine_info") and value == 1]
    said = [line["message"] for line in server.log() if line["message"].startswith("Computing in")]
    labels = dict(part.split("=") for part in shown.partition("{")[2].rstrip("}").replace('"', "").split(","))
    assert len(said) == 1
    assert said[0].startswith(f"Computing in {labels['precision']} with {labels['engine']}: ")
    return labels["engine"], labels["precision"]


def test_precisions(start: Callable[..., Server], calibrated: Path, flower: bytes) -> None:
    """`auto` computes in int8 if that passed, `float32` never; the answers are near."""
    auto = start(2, base=calibrated)
    float32 = start(1, base=calibrated, SAGEMAKER_GLUONCV_PRECISION="float32")
    assert chosen(auto) == ("OpenVINO", "int8")
    assert chosen(float32) == ("OpenVINO", "float32")
    one, other = auto.invoke(flower).json, float32.invoke(flower).json
    assert one != other
    assert one == pytest.approx(other, abs=0.02)


@pytest.mark.parametrize("instructions", OLDER)
def test_older_cpus(start: Callable[..., Server], calibrated: Path, flower: bytes, instructions: str) -> None:
    """On a CPU without VNNI and AMX `auto` computes in int8, too, with the same answers, and no worker dies."""
    server = start(1, base=calibrated, ONEDNN_MAX_CPU_ISA=instructions)
    newer = start(1, base=calibrated)
    assert chosen(server) == ("OpenVINO", "int8")
    assert server.invoke(flower).json == pytest.approx(newer.invoke(flower).json, abs=1e-5)
    assert server.metrics()["workers_lost_total"] == 0


def test_int8_that_cannot_be_had(base: Path) -> None:
    """int8 that is asked for ends the server at start, and says why, if the model lacks it."""
    ended = serve(base, SAGEMAKER_GLUONCV_PRECISION="int8")
    assert ended.returncode
    assert (
        "ClientError: The precision int8 was asked for. It cannot be had: the model was not calibrated for int8"
        in ended.stdout
    )
