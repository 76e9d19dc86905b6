"""The net: a GluonCV ResNet with its normalisation inside, its base weights, and its export as a symbol."""

import hashlib
from pathlib import Path

import mxnet as mx
from gluoncv.model_zoo import get_model
from mxnet.gluon import HybridBlock, nn

from .. import artifact
from ..errors import ClientError
from ..hyperparameters import Hyperparameters

# ImageNet's mean and deviation of RGB / 255, with which GluonCV's and torchvision's weights were made.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Normalization(HybridBlock):  # type: ignore[misc]
    """Takes RGB 0-255, float32 (n, 3, height, width), to zero mean and unit deviation.

    Inside the net, so that an artifact takes pixels as they are, as the built-in algorithm's does.
    """

    def __init__(self) -> None:
        super().__init__(prefix="normalization_")
        with self.name_scope():
            mean = mx.nd.array(MEAN).reshape((1, 3, 1, 1)) * 255
            scale = 1 / (mx.nd.array(DEVIATION).reshape((1, 3, 1, 1)) * 255)
            self.mean = self.params.get_constant("mean", mean)
            self.scale = self.params.get_constant("scale", scale)

    def hybrid_forward(self, F, x, mean, scale):  # type: ignore[no-untyped-def]  # noqa: N803
        """Return (x - mean) * scale."""
        return F.broadcast_mul(F.broadcast_sub(x, mean), scale)


def base_weights(directory: Path, name: str) -> Path:
    """Return the file of base weights of a net: `<name>.params` or, checked, `<name>-<first 8 of its sha1>.params`.

    Raises ClientError if there is none, or if the file is not the one that its name says.
    """
    found = sorted([*directory.glob(f"{name}-*.params"), *directory.glob(f"{name}.params")])
    if not found:
        raise ClientError(
            f"use_pretrained_model is 1, but this image holds no base weights of {name}",
            f"found in {directory}: {', '.join(sorted(path.name for path in directory.glob('*.params'))) or 'nothing'}",
            f"Put {name}-*.params into pretrained/ and build the image again, or set use_pretrained_model to 0",
        )
    path = found[-1]
    digest = path.stem.removeprefix(name).lstrip("-")
    if digest and not hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest().startswith(digest):
        raise ClientError(f"{path} is damaged", f"its sha1 does not begin with {digest}", "Get the file again")
    return path


def build(hyperparameters: Hyperparameters, pretrained: Path, context: mx.Context) -> HybridBlock:
    """Return the net, initialised, from RGB 0-255 float32 (n, 3, height, width) to logits float32 (n, num_classes).

    Raises ClientError if pretrained weights are asked for and the image has none.
    """
    name = f"resnet{hyperparameters.num_layers}_v1b"
    if hyperparameters.use_pretrained_model:
        weights = base_weights(pretrained, name)
        outputs = mx.nd.load(str(weights))["fc.weight"].shape[0]
        resnet = get_model(name, classes=outputs)
        resnet.load_parameters(str(weights), ctx=context)
    else:
        resnet = get_model(name, classes=1)
        resnet.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="out", magnitude=2), ctx=context)
    with resnet.name_scope():
        resnet.fc = nn.Dense(hyperparameters.num_classes, in_units=resnet.fc._in_units)
    resnet.fc.initialize(mx.init.Normal(0.01), ctx=context)
    net = nn.HybridSequential(prefix="")
    net.add(Normalization(), resnet)
    net[0].initialize(ctx=context)
    net.hybridize(static_alloc=True)
    return net


def export(net: HybridBlock, directory: Path, description: artifact.Description) -> None:
    """Save the net as an artifact, from RGB 0-255 to probabilities, its outputs named as the built-in's."""
    symbol = mx.sym.SoftmaxOutput(net(mx.sym.var("data")), name="softmax")
    arguments = set(symbol.list_arguments())
    arrays = {
        f"{'arg' if name in arguments else 'aux'}:{name}": parameter.data().as_in_context(mx.cpu())
        for name, parameter in net.collect_params().items()
    }
    artifact.save(directory, symbol.tojson(), lambda path: mx.nd.save(str(path), arrays), description)
