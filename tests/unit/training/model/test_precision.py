"""precision: which layers compute in float16, in GluonCV's nets and in those that come as a symbol."""

import json
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from mxnet import gluon

from sagemaker_gluoncv_container.training.hyperparameters import Hyperparameters
from sagemaker_gluoncv_container.training.model import network, precision


def build(layers: int) -> gluon.HybridBlock:
    """Return an untrained net for 4 classes."""
    given = Hyperparameters(num_classes=4, num_layers=layers, use_pretrained_model=False, image_shape=(3, 32, 32))
    return network.build(given, Path("nowhere"), [mx.cpu()])


def graph(net: gluon.HybridBlock) -> tuple[mx.sym.Symbol, list[dict[str, Any]]]:
    """Return a net's symbol and its nodes, AMP's casts among them."""
    symbol = net(mx.sym.var("data"))
    nodes: list[dict[str, Any]] = json.loads(symbol.tojson(remove_amp_cast=False))["nodes"]
    return symbol, nodes


def check_layers(net: gluon.HybridBlock) -> None:
    """Fail unless every convolution and fully connected layer computes in float16, and the net gives float32."""
    symbol, nodes = graph(net)
    inside = symbol.get_internals()
    _, types, _ = inside.infer_type(data=np.float32)
    by_name = dict(zip(inside.list_outputs(), types, strict=True))
    heavy = [node["name"] for node in nodes if node["op"] in ("Convolution", "FullyConnected")]
    assert heavy
    assert {by_name[f"{name}_output"] for name in heavy} == {np.float16}
    assert by_name[symbol.list_outputs()[0]] == np.float32


@pytest.mark.parametrize("layers", [18, 20, 50])
def test_what_is_heavy_computes_in_float16(layers: int) -> None:
    """In each family of nets all convolutions and the head compute in float16; the logits are float32."""
    check_layers(precision.lowered(build(layers)))


def test_a_net_that_comes_as_a_symbol() -> None:
    """The net of a `model` channel is a symbol that was drawn before: its layers compute in float16 too."""
    net = build(20)
    symbol = net(mx.sym.var("data"))
    block = gluon.SymbolBlock(symbol, mx.sym.var("data", dtype="float32"), params=net.collect_params())
    check_layers(precision.lowered(block))


def test_parameters_are_shared() -> None:
    """Both nets learn and save the same float32 parameters."""
    net = build(20)
    found, expected = precision.lowered(net).collect_params(), net.collect_params()
    assert found.keys() == expected.keys()
    assert all(found[name] is expected[name] for name in expected)
    assert {np.dtype(each.dtype) for each in expected.values()} == {np.dtype(np.float32)}


def test_the_net_itself_stays() -> None:
    """The net that is kept and validated has no cast in it, neither before nor after: nothing of MXNet is replaced."""
    net = build(20)
    precision.lowered(net)
    for each in (net, build(20)):
        assert not [node for node in graph(each)[1] if node["op"].startswith("amp_")]
