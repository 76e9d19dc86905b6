"""The net: a GluonCV ResNet with its normalisation inside, its base weights, and its form as a symbol."""

import re
from collections.abc import Sequence
from pathlib import Path

import mxnet as mx
import numpy as np
from gluoncv.model_zoo import get_cifar_resnet, get_model
from gluoncv.model_zoo.resnetv1b import BottleneckV1b, ResNetV1b
from mxnet.gluon import HybridBlock, nn

from ...arrays import Arrays
from ...errors import ClientError
from ...inference import params
from ...inference.symbol import LOSSES, SIGMOID, SOFTMAX
from ..hyperparameters import SMALL_LAYERS, Counted
from . import base_weights

# ImageNet's mean and deviation of RGB / 255, with which GluonCV's and torchvision's weights were made.
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Names without a counter: a restarted job, and a second job in the same process, find their parameters again.
NORMALIZATION, HEAD = "normalization_", "head_"
# The bottleneck units in each stage of the nets that the built-in algorithm has and GluonCV has not. Source: the
# image-classification example of MXNet (symbols/resnet.py), which the built-in was made with.
_UNITS = {200: (3, 24, 36, 3)}


class Normalization(HybridBlock):  # type: ignore[misc]
    """Brings RGB 0-255, float32 (n, 3, height, width), to zero mean and unit deviation.

    It is inside the net, so that an artifact takes pixels as they are, as the built-in algorithm's does.
    """

    def __init__(self, mean: Sequence[float], deviation: Sequence[float]) -> None:
        """`mean` and `deviation` are of RGB / 255."""
        super().__init__(prefix=NORMALIZATION)
        self._mean, self._deviation = (mx.nd.array(each).reshape((1, 3, 1, 1)) * 255 for each in (mean, deviation))
        with self.name_scope():
            # Not Gluon's constants: their initializers are named by a memory address, which ends up in the symbol.
            self.mean, self.scale = (
                self.params.get(name, shape=(1, 3, 1, 1), init="zeros", grad_req="null") for name in ("mean", "scale")
            )

    def initialize(self, *given, **named) -> None:  # type: ignore[no-untyped-def]
        """Give the parameters their values."""
        super().initialize(*given, **named)
        self.mean.set_data(self._mean)
        self.scale.set_data(1 / self._deviation)

    def hybrid_forward(self, F, x, mean, scale):  # type: ignore[no-untyped-def]  # noqa: N803
        """Return (x - mean) * scale."""
        return F.broadcast_mul(F.broadcast_sub(x, mean), scale)


def build(hyperparameters: Counted, pretrained: Path, contexts: Sequence[mx.Context]) -> HybridBlock:
    """Return the net, initialised, from RGB 0-255 float32 (n, 3, height, width) to logits float32 (n, num_classes).

    Its parameters have the same names whenever it is built. Raises ClientError if base weights are asked for and there
    are none.
    """
    hp, contexts = hyperparameters, list(contexts)
    if hp.num_layers in SMALL_LAYERS:
        backbone, head = get_cifar_resnet(1, hp.num_layers, classes=1, prefix="resnet_"), "output"
    else:
        backbone, head = _resnet(hp, pretrained, contexts), "fc"
    with backbone.name_scope():
        setattr(backbone, head, nn.Dense(hp.num_classes, in_units=getattr(backbone, head)._in_units, prefix=HEAD))
    if not hp.use_pretrained_model:
        backbone.initialize(mx.init.Xavier(rnd_type="gaussian", factor_type="out", magnitude=2), ctx=contexts)
    getattr(backbone, head).initialize(mx.init.Normal(0.01), ctx=contexts, force_reinit=True)
    net = assembled([Normalization(MEAN, DEVIATION), backbone], contexts)
    freeze(net, hp.freeze)
    # The small nets learn their shapes from a first picture.
    for context in contexts:
        net(mx.nd.zeros((1, *hp.image_shape), ctx=context)).wait_to_read()
    return net


def _resnet(hp: Counted, pretrained: Path, contexts: list[mx.Context]) -> HybridBlock:
    name = base_weights.name(hp.num_layers)
    if units := _UNITS.get(hp.num_layers):
        if hp.use_pretrained_model:
            raise ClientError(
                f"Hyperparameter use_pretrained_model is 1, but there are no base weights of {hp.num_layers} layers",
                "Nobody has published them",
                "Set use_pretrained_model to 0, or num_layers to 152",
            )
        # Each unit begins as the identity (Goyal et al., "Accurate, Large Minibatch SGD", section 5.1). Else so deep a
        # net overflows in validation until its running statistics have settled, which takes a hundred batches.
        return ResNetV1b(BottleneckV1b, list(units), last_gamma=True, classes=1, name_prefix="resnetv1b_")
    if not hp.use_pretrained_model:
        return get_model(name, classes=1)
    weights = base_weights.find(pretrained, name)
    outputs = mx.nd.load(str(weights))["fc.weight"].shape[0]
    resnet = get_model(name, classes=outputs)
    resnet.load_parameters(str(weights), ctx=contexts)
    return resnet


def assembled(blocks: Sequence[HybridBlock], contexts: Sequence[mx.Context]) -> HybridBlock:
    """Return the blocks as one hybridized net. Constants among them get their values."""
    net = nn.HybridSequential(prefix="")
    net.add(*blocks)
    if isinstance(blocks[0], Normalization):
        blocks[0].initialize(ctx=list(contexts))
    net.hybridize(static_alloc=True)
    return net


def frozen(name: str, upto: str) -> bool:
    """Return whether `freeze` leaves a parameter unchanged: the stem and the stages up to one, or all but the head.

    The stage is in the parameter's name: layers1_, down1_ or stage1_ in GluonCV, stage1_ in MXNet's own ResNets.
    """
    if upto == "none" or HEAD in name:
        return False
    stage = re.search(r"(?:layers|down|stage)(\d)_", name)
    return upto == "backbone" or (int(stage[1]) if stage else 0) <= int(upto[-1])


def freeze(net: HybridBlock, upto: str) -> None:
    """Keep parameters from learning. Frozen normalisation uses its present statistics and does not update them."""
    for name, parameter in net.collect_params().items():
        if frozen(name, upto):
            parameter.grad_req = "null"

    def settle(block: HybridBlock) -> None:
        if isinstance(block, nn.BatchNorm) and frozen(block.gamma.name, upto):
            block._kwargs["use_global_stats"] = True

    net.apply(settle)


def is_learnt(parameter: mx.gluon.Parameter) -> bool:
    """Return whether training changes a parameter."""
    return bool(parameter.grad_req != "null")


def shapes(net: HybridBlock) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all parameters and statistics by name."""
    # A parameter of a SymbolBlock has a value, but may not say its shape.
    return {name: parameter.list_data()[0].shape for name, parameter in net.collect_params().items()}


def parameters(net: HybridBlock) -> Arrays:
    """Return the values of all parameters and statistics by name. With several devices, these are means over them."""
    return {name: parameter._reduce().asnumpy() for name, parameter in net.collect_params().items()}


def set_parameters(net: HybridBlock, arrays: Arrays) -> None:
    """Give all parameters these values, on every device."""
    for name, parameter in net.collect_params().items():
        parameter.set_data(mx.nd.array(arrays[name]))


def to_symbol(net: HybridBlock, multi_label: bool) -> mx.sym.Symbol:
    """Return the net from RGB 0-255 to probabilities. Its output has the name of the built-in's."""
    output = getattr(mx.sym, LOSSES[SIGMOID if multi_label else SOFTMAX])
    return output(net(mx.sym.var("data")), name="softmax")


def save_weights(symbol: mx.sym.Symbol, arrays: Arrays, path: Path) -> None:
    """Write weights as the symbol's `arg:` and `aux:` in MXNet's format, float32. Raises OSError."""
    arguments = set(symbol.list_arguments())
    kinds = {name: "arg" if name in arguments else "aux" for name in arrays}
    params.write(path, {f"{kinds[name]}:{name}": each.astype(np.float32) for name, each in arrays.items()})
