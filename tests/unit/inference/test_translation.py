"""translation: each kind of layer gives in OpenVINO what it gives in MXNet; what is not known is said."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import ContainerError
from sagemaker_gluoncv_container.images import Preprocessing
from sagemaker_gluoncv_container.inference.openvino_net import Net
from sagemaker_gluoncv_container.inference.rounding import NEAREST, Rounding
from sagemaker_gluoncv_container.inference.translation import Untranslatable, rounded, translate

SIDE = Preprocessing(12, 9, None)
data = mx.sym.var("data")
LAYERS: dict[str, Callable[[], mx.sym.Symbol]] = {
    "convolution": lambda: mx.sym.Convolution(data, num_filter=6, kernel=(3, 2), stride=(2, 1), pad=(1, 0), name="c"),
    "dilated": lambda: mx.sym.Convolution(data, num_filter=2, kernel=(3, 3), dilate=(2, 1), no_bias=True, name="c"),
    "groups": lambda: mx.sym.Convolution(data, num_filter=6, num_group=3, kernel=(3, 3), name="c"),
    "normalised": lambda: mx.sym.BatchNorm(
        mx.sym.Convolution(data, num_filter=4, kernel=(3, 3), name="c"), fix_gamma=False, eps=1e-5, name="b"
    ),
    "two users": lambda: mx.sym.elemwise_add(
        mx.sym.BatchNorm(shared := mx.sym.Convolution(data, num_filter=4, kernel=(1, 1), name="c"), name="b"), shared
    ),
    "normalised pixels": lambda: mx.sym.BatchNorm(data, fix_gamma=True, name="b"),
    "normalised sum": lambda: mx.sym.BatchNorm(data + data, fix_gamma=False, name="b"),
    "ReLU": lambda: mx.sym.Activation(data - 100, act_type="relu"),
    "sigmoid": lambda: mx.sym.Activation(data / 100, act_type="sigmoid"),
    "tanh": lambda: mx.sym.Activation(data * 0.01, act_type="tanh"),
    "largest": lambda: mx.sym.Pooling(data, kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max"),
    "largest, full": lambda: mx.sym.Pooling(
        data, kernel=(3, 2), stride=(2, 2), pool_type="max", pooling_convention="full"
    ),
    "mean": lambda: mx.sym.Pooling(data, kernel=(2, 2), stride=(2, 2), pad=(1, 1), pool_type="avg"),
    "mean, edge left out": lambda: mx.sym.Pooling(
        data, kernel=(3, 3), pad=(1, 1), pool_type="avg", count_include_pad=False
    ),
    "global mean": lambda: mx.sym.Pooling(data, global_pool=True, kernel=(1, 1), pool_type="avg"),
    "global largest": lambda: mx.sym.Pooling(data, global_pool=True, kernel=(1, 1), pool_type="max"),
    "dropout": lambda: mx.sym.Dropout(data, p=0.9),
    "joined": lambda: mx.sym.concat(data, data * 2, dim=1),
    "constants": lambda: mx.sym.broadcast_mul(mx.sym.broadcast_sub(data, mx.sym.var("m", shape=(1, 3, 1, 1))), data),
}
HEADS: dict[str, Callable[[mx.sym.Symbol], mx.sym.Symbol]] = {
    "softmax": lambda net: mx.sym.SoftmaxOutput(net, name="softmax"),
    "sigmoid": lambda net: mx.sym.LogisticRegressionOutput(net, name="softmax"),
}


def arrays_of(symbol: mx.sym.Symbol, seed: int = 0) -> dict[str, Any]:
    """Return random parameters for a symbol, such that its answers are not extreme."""
    random = np.random.default_rng(seed)
    shapes, _, states = symbol.infer_shape_partial(data=(1, 3, SIDE.height, SIDE.width))
    named = [*zip(symbol.list_arguments(), shapes, strict=True)]
    arrays = {
        # What ends the net is around 0: no answer is extreme.
        f"arg:{name}": random.normal(0 if name.startswith("fc") else 0.5, 0.5, shape)
        / (50 * np.sqrt(np.prod(shape[1:])))
        for name, shape in named
        if name != "data" and not name.endswith("label")
    }
    for name, shape in zip(symbol.list_auxiliary_states(), states, strict=True):
        arrays[f"aux:{name}"] = random.uniform(0.5, 2, shape)
    return {name: array.astype(np.float32) for name, array in arrays.items()}


def by_mxnet(symbol: mx.sym.Symbol, arrays: dict[str, Any], pixels: Any) -> Any:
    """Return what MXNet answers."""
    heads = {"SoftmaxOutput": mx.sym.softmax, "LogisticRegressionOutput": mx.sym.sigmoid}
    head = heads[json.loads(symbol.tojson())["nodes"][-1]["op"]]
    # Not by bind(), which fuses by itself, and wrongly where a convolution has a second user ("two users").
    net = mx.gluon.SymbolBlock(head(symbol.get_children()[0]), mx.sym.var("data", dtype="float32"))
    for name, parameter in net.collect_params().items():
        parameter._load_init(mx.nd.array(arrays.get(f"arg:{name}", arrays.get(f"aux:{name}"))), mx.cpu())
    return net(mx.nd.array(pixels.transpose(2, 0, 1)[None], dtype="float32")).asnumpy()[0]


def pixels(seed: int = 1) -> Any:
    """Return random pixels."""
    return np.random.default_rng(seed).integers(0, 256, (SIDE.height, SIDE.width, 3), np.uint8)


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer(layer: str, head: str) -> None:
    """A net of one kind of layer, and of what ends a net, answers as in MXNet."""
    symbol = mx.sym.FullyConnected(mx.sym.Flatten(LAYERS[layer]()), num_hidden=5, name="fc")
    symbol = HEADS[head](symbol)
    arrays = arrays_of(symbol)
    found = Net(translate(symbol.tojson(), arrays, SIDE), 1)(pixels())[0]
    expected = by_mxnet(symbol, arrays, pixels())
    assert found == pytest.approx(expected, abs=1e-5)
    assert np.ptp(expected) > 1e-3


@settings(max_examples=40, deadline=None)
@given(
    kernel=st.integers(1, 5), stride=st.integers(1, 4), pad=st.integers(0, 2), kind=st.sampled_from(["max", "avg"]),
    full=st.booleans(),
)  # fmt: skip
def test_every_pooling(kernel: int, stride: int, pad: int, kind: str, full: bool) -> None:
    """A pooling of any window either answers as MXNet's or is said to be unknown."""
    pad = min(pad, kernel - 1)
    convention = "full" if full else "valid"
    pooled = mx.sym.Pooling(
        data, kernel=(kernel,) * 2, stride=(stride,) * 2, pad=(pad,) * 2, pool_type=kind, pooling_convention=convention
    )
    symbol = HEADS["sigmoid"](mx.sym.FullyConnected(pooled, num_hidden=3, name="fc"))
    arrays = arrays_of(symbol)
    try:
        found = Net(translate(symbol.tojson(), arrays, SIDE), 1)(pixels())[0]
    except Untranslatable:
        assert full
        return
    assert found == pytest.approx(by_mxnet(symbol, arrays, pixels()), abs=1e-5)


@pytest.mark.parametrize(
    "symbol",
    [
        mx.sym.LRN(data, nsize=3),
        mx.sym.Activation(data, act_type="softsign"),
        mx.sym.Pooling(data, kernel=(2, 2), pool_type="lp", p_value=2),
        mx.sym.Group([mx.sym.Flatten(data), data]),
        mx.sym.Deconvolution(data, num_filter=2, kernel=(2, 2)),
    ],
    ids=lambda symbol: symbol.name,
)
def test_unknown(symbol: mx.sym.Symbol) -> None:
    """What is not translated is an error of its own, so that MXNet takes over."""
    with pytest.raises(Untranslatable):
        translate(symbol.tojson(), arrays_of(symbol) if len(symbol.list_outputs()) == 1 else {}, SIDE)


def test_a_missing_parameter() -> None:
    """A parameter that the file lacks is named, and is no reason to try MXNet."""
    symbol = HEADS["softmax"](mx.sym.FullyConnected(data, num_hidden=5, name="fc"))
    arrays = arrays_of(symbol)
    del arrays["arg:fc_weight"]
    with pytest.raises(ContainerError, match="The parameters have no fc_weight") as caught:
        translate(symbol.tojson(), arrays, SIDE)
    assert not isinstance(caught.value, Untranslatable)


def test_preprocessing() -> None:
    """Mean and deviation that the net does not have inside are applied to the pixels."""
    symbol = HEADS["softmax"](mx.sym.FullyConnected(data, num_hidden=5, name="fc"))
    arrays = arrays_of(symbol)
    mean, deviation = (120.0, 110.0, 100.0), (2.0, 3.0, 4.0)
    found = Net(translate(symbol.tojson(), arrays, Preprocessing(12, 9, None, mean, deviation)), 1)(pixels())[0]
    normalised = ((pixels() - np.array(mean)) / deviation).astype(np.float32)
    assert found == pytest.approx(by_mxnet(symbol, arrays, normalised), abs=1e-5)


def test_rounding() -> None:
    """With ranges of what layers take, values are rounded to 8 bits: the answer changes, and not by much."""
    net = mx.sym.Activation(mx.sym.Convolution(data, num_filter=16, kernel=(3, 3), name="c"), act_type="relu", name="r")
    symbol = HEADS["softmax"](mx.sym.FullyConnected(net, num_hidden=5, name="fc"))
    arrays, text = arrays_of(symbol), symbol.tojson()
    assert rounded(text) == ["r"]
    watched = Net(translate(text, arrays, SIDE, watched=["r"]), 1)(pixels())
    ranges = {"r": (0.0, float(watched[1].max()))}
    int8 = Net(translate(text, arrays, SIDE, ranges), 1)(pixels())[0]
    assert 0 < np.abs(int8 - watched[0]).max() < 0.02


def test_the_head_stays_in_float32() -> None:
    """Only the data of the head are rounded, so its weights may be such that rounding them would ruin the answer."""
    net = mx.sym.Activation(mx.sym.Convolution(data, num_filter=16, kernel=(3, 3), name="c"), act_type="relu", name="r")
    symbol = HEADS["softmax"](mx.sym.FullyConnected(net, num_hidden=5, name="fc"))
    arrays, text = arrays_of(symbol), symbol.tojson()
    # One weight that meets a zero, and leaves the others of its row less than a step of 8 bits.
    arrays["arg:c_weight"][0], arrays["arg:c_bias"][0] = 0, 0
    arrays["arg:fc_weight"][:, 0] = 1e4
    float32, outputs = Net(translate(text, arrays, SIDE, watched=["r"]), 1)(pixels())
    ranges = {"r": (0.0, float(outputs.max()))}
    assert np.abs(Net(translate(text, arrays, SIDE, ranges), 1)(pixels())[0] - float32).max() < 0.02
    nearest = Net(translate(text, arrays, SIDE, ranges, rounding=Rounding(NEAREST)), 1)(pixels())[0]
    assert np.abs(nearest - float32).max() > 0.01


def test_symbols_of_before_mxnet_1() -> None:
    """Attributes stood under other names in symbols of older versions."""
    symbol = HEADS["softmax"](mx.sym.FullyConnected(LAYERS["normalised"](), num_hidden=5, name="fc"))
    arrays, graph = arrays_of(symbol), json.loads(symbol.tojson())
    expected = Net(translate(symbol.tojson(), arrays, SIDE), 1)(pixels())[0]
    for key in ("param", "attr"):
        older = {
            **graph,
            "nodes": [{key if n == "attrs" else n: v for n, v in node.items()} for node in graph["nodes"]],
        }
        assert (Net(translate(json.dumps(older), arrays, SIDE), 1)(pixels())[0] == expected).all()


def test_needs_no_mxnet(tmp_path: Path) -> None:
    """The module loads where MXNet is not to be had."""
    code = "import sys; sys.modules.update(mxnet=None); import sagemaker_gluoncv_container.inference.openvino_net"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=tmp_path)
