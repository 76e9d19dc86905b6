"""network: the net, its base weights and its export."""

import dataclasses
import json
from pathlib import Path

import mxnet as mx
import numpy as np
import pytest
from gluoncv.model_zoo import get_model

from sagemaker_gluoncv_container import artifact
from sagemaker_gluoncv_container.artifact import Description
from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network

SCRATCH = Hyperparameters(num_classes=5, use_pretrained_model=False, image_shape=(3, 32, 48))
PRETRAINED = dataclasses.replace(SCRATCH, use_pretrained_model=True)
NAME = "resnet18_v1b"


def pixels(count: int, seed: int = 0) -> mx.nd.NDArray:
    """Return pictures of 32 x 48 pixels, 0-255."""
    return mx.nd.array(np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 48)).astype(np.float32))


def export(net: mx.gluon.HybridBlock, directory: Path, description: Description) -> None:
    """Save a net as an artifact, as a job does."""
    symbol, arrays = network.to_symbol(net, multi_label=False), network.parameters(net)
    artifact.save(directory, symbol.tojson(), lambda path: network.save_weights(symbol, arrays, path), description)


def test_normalization() -> None:
    """Pixels of 0-255 get ImageNet's mean and deviation, which are known for RGB / 255."""
    layer = network.Normalization(network.MEAN, network.DEVIATION)
    layer.initialize()
    found = layer(mx.nd.array(np.full((2, 3, 1, 1), 51, np.float32))).asnumpy()
    expected = (0.2 - np.array([0.485, 0.456, 0.406])) / [0.229, 0.224, 0.225]
    assert np.allclose(found, expected.reshape(1, 3, 1, 1), atol=1e-6)


@pytest.mark.parametrize("layers", [18, 50])
def test_net_gives_logits(layers: int) -> None:
    """The net takes pictures of any height and width and gives one logit for a class, float32."""
    net = network.build(dataclasses.replace(SCRATCH, num_layers=layers), Path("nowhere"), [mx.cpu()])
    logits = net(pixels(2)).asnumpy()
    assert (logits.shape, logits.dtype) == ((2, 5), np.float32)
    assert np.isfinite(logits).all()
    assert (logits < 0).any()
    assert net(mx.nd.zeros((1, 3, 64, 40))).shape == (1, 5)


def test_a_net_of_200_layers() -> None:
    """The built-in's largest net: 3, 24, 36 and 3 units of three convolutions, a stem and a head, as in the others."""
    net = network.build(dataclasses.replace(SCRATCH, num_layers=200), Path("nowhere"), [mx.cpu()])
    shapes = {name: each.shape for name, each in net.collect_params().items() if name.endswith("_weight")}
    units = [sum(name.startswith(f"resnetv1b_layers{stage}_conv") for name in shapes) // 3 for stage in range(1, 5)]
    assert units == [3, 24, 36, 3]
    assert len([name for name in shapes if "down" not in name]) == 200
    smaller = network.build(dataclasses.replace(SCRATCH, num_layers=152), Path("nowhere"), [mx.cpu()])
    for name, each in smaller.collect_params().items():
        if name.endswith("_weight"):
            assert shapes[name] == each.shape, name
    # Its units begin as the identity: before anything was learnt, its answers are as small as those of the others.
    assert abs(net(pixels(1)).asnumpy()).max() < 10


def test_there_are_no_base_weights_of_200_layers(tmp_path: Path) -> None:
    """The message says so, and both ways out."""
    (tmp_path / "resnet200_v1b.params").touch()
    with pytest.raises(ClientError, match=r"there are no base weights of 200 layers\. .* num_layers to 152\."):
        network.build(dataclasses.replace(PRETRAINED, num_layers=200), tmp_path, [mx.cpu()])


def test_normalization_is_not_trained() -> None:
    """All parameters but the mean and deviation of the pixels learn, the base's too."""
    net = network.build(SCRATCH, Path("nowhere"), [mx.cpu()])
    fixed = {name for name, each in net.collect_params().items() if each.grad_req == "null"}
    assert {name for name in fixed if "running" not in name} == {"normalization_mean", "normalization_scale"}


def test_net_that_was_never_run_can_be_exported(tmp_path: Path) -> None:
    """A job that is stopped before its first batch has a model too."""
    net = network.build(SCRATCH, Path("nowhere"), [mx.cpu()])
    export(net, tmp_path, Description(0, 5, SCRATCH.preprocessing))
    assert artifact.load(tmp_path).description.num_classes == 5


def test_export_is_the_net_with_a_softmax(tmp_path: Path) -> None:
    """The artifact's symbol and weights give the probabilities of the net's logits."""
    net = network.build(SCRATCH, Path("nowhere"), [mx.cpu()])
    data = pixels(3)
    expected = mx.nd.softmax(net(data)).asnumpy()
    export(net, tmp_path, Description(4, 5, SCRATCH.preprocessing))
    loaded = artifact.load(tmp_path)
    assert loaded.params.name == "image-classification-0004.params"
    symbol, weights = mx.sym.load(str(loaded.symbol)), mx.nd.load(str(loaded.params))
    assert symbol.list_outputs() == ["softmax_output"]
    assert set(weights) == {
        f"arg:{name}" for name in symbol.list_arguments() if name not in ("data", "softmax_label")
    } | {f"aux:{name}" for name in symbol.list_auxiliary_states()}
    executor = symbol.simple_bind(mx.cpu(), grad_req="null", data=data.shape)
    executor.copy_params_from(
        {name[4:]: each for name, each in weights.items() if name.startswith("arg:")},
        {name[4:]: each for name, each in weights.items() if name.startswith("aux:")},
    )
    found = executor.forward(is_train=False, data=data)[0].asnumpy()
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(found.sum(1), 1, atol=1e-5)


def test_export_says_what_it_takes(tmp_path: Path) -> None:
    """The shapes file has the height and the width of the hyperparameters."""
    net = network.build(SCRATCH, Path("nowhere"), [mx.cpu()])
    net(pixels(1))
    export(net, tmp_path, Description(0, 5, SCRATCH.preprocessing))
    assert json.loads((tmp_path / "model-shapes.json").read_text()) == [{"name": "data", "shape": [1, 3, 32, 48]}]


def test_build_asks_for_base_weights(tmp_path: Path) -> None:
    """Fine-tuning without base weights is an error, never a silent start from random ones."""
    with pytest.raises(ClientError, match="holds no base weights of resnet18_v1b"):
        network.build(PRETRAINED, tmp_path, [mx.cpu()])


def test_fine_tuning_starts_from_the_base(base_weights: Path) -> None:
    """With the base's own output layer, the net computes what GluonCV's does on normalised pictures."""
    (weights,) = base_weights.glob(f"{NAME}-*.params")
    base = get_model(NAME, classes=200)
    base.load_parameters(str(weights))
    net = network.build(dataclasses.replace(PRETRAINED, num_classes=200), base_weights, [mx.cpu()])
    data = pixels(4)
    normalised = mx.nd.image.normalize(data / 255, network.MEAN, network.DEVIATION)
    expected = base(normalised).asnumpy()
    # The output layer is new: only what comes before it is the base's.
    assert abs(net(data).asnumpy() - expected).max() > 1
    net[1].fc.weight.set_data(base.fc.weight.data())
    net[1].fc.bias.set_data(base.fc.bias.data())
    assert np.allclose(net(data).asnumpy(), expected, atol=1e-3)


def test_fine_tuning_to_other_classes(base_weights: Path) -> None:
    """The base's 200 outputs give way to as many as the job has classes, starting without a preference."""
    logits = network.build(PRETRAINED, base_weights, [mx.cpu()])(pixels(2)).asnumpy()
    assert logits.shape == (2, 5)
    assert abs(logits).max() < 1


def test_damaged_copy_of_the_base(tmp_path: Path, base_weights: Path) -> None:
    """One wrong bit in base weights is noticed."""
    (weights,) = base_weights.glob(f"{NAME}-*.params")
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / weights.name).write_bytes(content)
    with pytest.raises(ClientError, match="is damaged"):
        network.build(PRETRAINED, tmp_path, [mx.cpu()])
