"""engine: what computes a net, the choice among them, and that they agree."""

import json
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Artifact, Description, Quantization
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference import engine, translation
from sagemaker_gluoncv_container.inference.engine_mxnet import MXNetEngine
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network

# Of probabilities, between the two engines in float32.
TOLERANCE = 1e-5
NETS: dict[str, dict[str, Any]] = {
    "18": {"num_layers": 18, "image_shape": (3, 224, 224)},
    "18, odd": {"num_layers": 18, "image_shape": (3, 97, 131)},
    "50": {"num_layers": 50, "image_shape": (3, 128, 128)},
    "152": {"num_layers": 152, "image_shape": (3, 64, 64)},
    "CIFAR 20": {"num_layers": 20, "image_shape": (3, 32, 32)},
    "several labels": {"num_layers": 34, "image_shape": (3, 64, 96), "multi_label": True},
}


def made(folder: Path, **given: Any) -> Artifact:
    """Write an untrained net with lively statistics as a job does."""
    hyperparameters = Hyperparameters(num_classes=7, use_pretrained_model=False, **given)
    mx.random.seed(1)
    net = network.build(hyperparameters, Path("nowhere"), [mx.cpu()])
    symbol, arrays = network.to_symbol(net, hyperparameters.multi_label), network.parameters(net)
    random = np.random.default_rng(0)
    for name, array in arrays.items():
        if name.endswith("running_var"):
            arrays[name] = random.uniform(0.5, 1, array.shape)
        elif name.endswith("gamma"):
            # Small, so that what passes through 152 layers keeps its scale.
            arrays[name] = random.uniform(0.3, 0.7, array.shape)
        elif name.endswith(("beta", "running_mean")):
            arrays[name] = random.normal(0, 0.1, array.shape)
    description = Description(3, 7, hyperparameters.preprocessing)
    artifact.save(folder, symbol.tojson(), lambda path: network.save_weights(symbol, arrays, path), description)
    return artifact.load(folder)


def pixels(preprocessing: Preprocessing) -> Any:
    """Return the pixels of three pictures that differ much: a random one, a black one, one with a white half."""
    pixels = np.random.default_rng(2).integers(0, 256, (3, preprocessing.height, preprocessing.width, 3), np.uint8)
    pixels[1], pixels[2, : preprocessing.height // 2] = 0, 255
    return pixels


def built_in(folder: Path) -> Artifact:
    """Write a net of the form of the built-in's: pre-activation blocks, a leading normalisation, no description."""
    folder.mkdir()
    net = mx.sym.BatchNorm(mx.sym.var("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    net = mx.sym.Convolution(net, num_filter=8, kernel=(7, 7), stride=(2, 2), pad=(3, 3), no_bias=True, name="conv0")
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn0"), act_type="relu")
    net = mx.sym.Pooling(net, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    for unit in range(3):
        act = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name=f"bn{unit}_1"), act_type="relu")
        body = mx.sym.Convolution(act, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"conv{unit}_1")
        body = mx.sym.BatchNorm(body, fix_gamma=False, eps=2e-5, name=f"bn{unit}_2")
        body = mx.sym.Activation(body, act_type="relu")
        body = mx.sym.Convolution(body, num_filter=8, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"conv{unit}_2")
        net = body + net
    net = mx.sym.Activation(mx.sym.BatchNorm(net, fix_gamma=False, eps=2e-5, name="bn1"), act_type="relu")
    net = mx.sym.Pooling(net, global_pool=True, kernel=(7, 7), pool_type="avg")
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(mx.sym.Flatten(net), num_hidden=5, name="fc1"), name="softmax")
    shapes, _, states = symbol.infer_shape(data=(1, 3, 56, 48))
    random = np.random.default_rng(4)
    arrays = {
        f"arg:{name}": random.normal(0.3, 0.5, shape) / np.sqrt(max(1, np.prod(shape[1:])))
        for name, shape in zip(symbol.list_arguments(), shapes, strict=True)
        if name not in ("data", "softmax_label")
    }
    for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True):
        arrays[f"aux:{name}"] = np.full(shape, 120.0 if "data_moving_mean" in name else 3000 if "data" in name else 0.7)
    (folder / "image-classification-symbol.json").write_text(symbol.tojson())
    mx.nd.save(str(folder / "image-classification-0030.params"), {n: mx.nd.array(a) for n, a in arrays.items()})
    (folder / "model-shapes.json").write_text(json.dumps([{"name": "data", "shape": [1, 3, 56, 48]}]))
    return artifact.load(folder)


@pytest.mark.parametrize("net", [*NETS, "the built-in's"])
def test_the_engines_agree(net: str, tmp_path: Path) -> None:
    """In float32 OpenVINO answers as MXNet does, one picture or several, with one thread or two."""
    found = made(tmp_path / "model", **NETS[net]) if net in NETS else built_in(tmp_path / "model")
    three = pixels(found.description.preprocessing)
    expected = MXNetEngine(found).compute(three)
    for threads in (1, 2):
        loaded, _ = engine.load(found, threads=threads)
        assert (loaded.name, loaded.precision) == ("OpenVINO", "float32")
        answers = loaded.compute(three)
        assert np.abs(answers - expected).max() < TOLERANCE
        # Alone or with others, a picture gets the same answer, bit by bit.
        assert all((loaded.compute(three[n : n + 1])[0] == answers[n]).all() for n in range(3))
    assert np.ptp(expected, axis=0).max() > 10 * TOLERANCE


@pytest.mark.parametrize("most", [1, 2, 3])
def test_threads_for_a_lone_picture(tmp_path: Path, most: int) -> None:
    """measure() tries one thread, then twice as many while that helps; what it keeps gives the same answers."""
    found = made(tmp_path / "model", **NETS["50"])
    loaded, _ = engine.load(found, threads=1)
    measured = loaded.measure(most)
    assert measured
    assert list(measured.seconds) in ([1, 2, 3][:most], [1, 2])
    assert measured.threads in measured.seconds
    assert measured.seconds[measured.threads] == min(measured.seconds[n] for n in (1, measured.threads))
    picture = pixels(found.description.preprocessing)[:1]
    expected = loaded.compute(picture)
    assert (loaded.compute(picture, alone=True) == expected).all()
    loaded, _ = engine.load(found, threads=1, lone_threads=most)
    assert (loaded.compute(picture, alone=True) == expected).all()


def test_a_net_that_only_mxnet_knows(tmp_path: Path) -> None:
    """A net with a layer that is not translated is computed by MXNet, and the reason says which layer."""
    net = mx.sym.LRN(mx.sym.var("data"), nsize=3, name="lrn")
    symbol = mx.sym.SoftmaxOutput(mx.sym.FullyConnected(net, num_hidden=2, name="fc"), name="softmax")
    arrays = {"arg:fc_weight": mx.nd.ones((2, 3 * 8 * 8)), "arg:fc_bias": mx.nd.array([0, 1])}
    (tmp_path / "model-symbol.json").write_text(symbol.tojson())
    mx.nd.save(str(tmp_path / "model-0000.params"), arrays)
    (tmp_path / "model-shapes.json").write_text(json.dumps([{"name": "data", "shape": [1, 3, 8, 8]}]))
    loaded, why = engine.load(artifact.load(tmp_path))
    assert (loaded.name, loaded.precision) == ("MXNet", "float32")
    assert "lrn is a LRN" in why
    assert loaded.compute(np.zeros((1, 8, 8, 3), np.uint8))[0] == pytest.approx([0.26894, 0.73106], abs=1e-4)
    with pytest.raises(ClientError, match="int8 was asked for"):
        engine.load(artifact.load(tmp_path), "int8")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """Return an artifact that was not calibrated."""
    return made(tmp_path_factory.mktemp("small") / "model", **NETS["CIFAR 20"])


def with_int8(found: Artifact, refused: str | None = None) -> Artifact:
    """Return an artifact with an int8 form."""
    ranges = dict.fromkeys(translation.rounded(found.symbol.read_text()), (-3.0, 3.0))
    quantization = Quantization(found.params.name, ranges, 100, 0.9, 0.9, 1.0, refused)
    return Artifact(found.symbol, found.params, found.description, quantization)


def test_the_choice(small: Artifact) -> None:
    """`auto` takes int8 where it passed, else float32; each says why."""
    passed, refused = with_int8(small), with_int8(small, "it loses too much")
    chosen = {
        (name, asked): engine.load(found, asked)
        for name, found in (("none", small), ("passed", passed), ("refused", refused))
        for asked in engine.PRECISIONS
        if asked != "int8" or name == "passed"
    }
    precisions = {key: loaded.precision for key, (loaded, _) in chosen.items()}
    assert {key for key, precision in precisions.items() if precision == "int8"} == {
        ("passed", "auto"),
        ("passed", "int8"),
    }
    assert "100.00% of 100 validation pictures" in chosen["passed", "auto"][1]
    assert "not calibrated" in chosen["none", "auto"][1]
    assert "it loses too much" in chosen["refused", "auto"][1]
    assert chosen["passed", "float32"][1] == "as asked for"


def test_int8_that_cannot_be_had(small: Artifact) -> None:
    """int8 that is asked for and cannot be had is an error that says why, and what to do."""
    for found, why in ((small, "was not calibrated"), (with_int8(small, "it loses"), "it loses")):
        with pytest.raises(ClientError, match=f"{why}.*sagemaker-gluoncv quantize"):
            engine.load(found, "int8")
