"""Translates a net from MXNet's symbol to OpenVINO's model: from RGB pixels as they are to probabilities.

Batch normalisation is folded into the convolution before it. Where the range of a layer's output is known, that is
rounded to 8 bits; so are the weights of the layers that take it, each output channel by a scale of its own. OpenVINO
then computes in int8. Sources: MXNet's operator documentation; OpenVINO's operation sets and "Low Precision
Transformations".
"""

import ast
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from ..arrays import Floats
from ..errors import ContainerError
from ..images import Preprocessing

Range = tuple[float, float]
LEVELS = 256
# Layers whose inputs are rounded.
_ROUND_INPUTS_OF = ("Convolution", "FullyConnected", "Pooling")
_SOFTMAX, _SIGMOID = ("SoftmaxOutput", "softmax", "SoftmaxActivation"), ("LogisticRegressionOutput", "sigmoid")
_SAME = ("Dropout", "identity", "_copy", "BlockGrad", "stop_gradient")
_ARITHMETIC = {
    **dict.fromkeys(("elemwise_add", "_Plus", "_plus", "broadcast_add", "broadcast_plus", "_plus_scalar"), op.add),
    **dict.fromkeys(("elemwise_sub", "broadcast_sub", "broadcast_minus", "_minus_scalar"), op.subtract),
    **dict.fromkeys(("elemwise_mul", "broadcast_mul", "_mul_scalar"), op.multiply),
    **dict.fromkeys(("elemwise_div", "broadcast_div", "_div_scalar"), op.divide),
}
_ACTIVATIONS = {"relu": op.relu, "sigmoid": op.sigmoid, "tanh": op.tanh}


class Untranslatable(ContainerError):
    """The net has something that is not translated; MXNet can still run it."""


class _Node(NamedTuple):
    name: str
    op: str
    given: Mapping[str, Any]
    inputs: Sequence[int]


def _nodes(symbol: str) -> list[_Node]:
    """Return the nodes of a symbol, each after its inputs; the last is the output."""
    graph = json.loads(symbol)
    if graph["heads"][0][:2] != [len(graph["nodes"]) - 1, 0] or len(graph["heads"]) != 1:
        raise Untranslatable("the net has several outputs")
    # What holds the attributes had other names before MXNet 1.0.
    return [
        _Node(
            node["name"],
            node["op"],
            {
                name: _value(text)
                for name, text in (node.get("attrs") or node.get("attr") or node.get("param") or {}).items()
            },
            [source for source, *_ in node["inputs"]],
        )
        for node in graph["nodes"]
    ]


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def translate(
    symbol: str,
    arrays: Mapping[str, NDArray[Any]],
    preprocessing: Preprocessing,
    ranges: Mapping[str, Range] | None = None,
    watched: Sequence[str] = (),
) -> ov.Model:
    """Return the model: uint8 (1, height, width, 3), RGB, to float32 (1, classes).

    `arrays` are by the names of a .params file; `ranges` by the names that `rounded` gives, none for float32. Further
    outputs are those of the layers that are `watched`. Raises Untranslatable, ContainerError if a parameter is missing.
    """
    try:
        return _Translation(symbol, arrays, preprocessing, ranges or {}).model(watched)
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise Untranslatable("the net is not as OpenVINO would have it", str(error).strip().split("\n")[-1]) from error


def bounds(low: float, high: float) -> list[np.float32]:
    """Return the bounds of a rounding, as they are taken and as they are given."""
    return [np.float32(each) for each in (low, high, low, high)]


def planes(numbers: Any) -> Any:
    """Return (n, height, width, channels) as (n, channels, height, width)."""
    return op.transpose(numbers, [0, 3, 1, 2])


def is_multi_label(symbol: str) -> bool:
    """Return whether a net answers each label on its own."""
    return _nodes(symbol)[-1].op in _SIGMOID


def rounded(symbol: str) -> list[str]:
    """Return the names of the layers whose output is rounded to 8 bits."""
    nodes = _nodes(symbol)
    numbers = {node.inputs[0] for node in nodes if node.op in _ROUND_INPUTS_OF}
    return [nodes[number].name for number in sorted(numbers) if nodes[number].op != "null"]


class _Translation:
    def __init__(
        self,
        symbol: str,
        arrays: Mapping[str, NDArray[Any]],
        preprocessing: Preprocessing,
        ranges: Mapping[str, Range],
    ) -> None:
        self._nodes, self._ranges = _nodes(symbol), ranges
        self._arrays = {name.partition(":")[2]: array for name, array in arrays.items()}
        self._users: dict[int, list[_Node]] = defaultdict(list)
        for node in self._nodes:
            for source in node.inputs:
                self._users[source].append(node)
        self._input = op.parameter([1, preprocessing.height, preprocessing.width, 3], np.uint8, "pixels")
        self._outputs: dict[str, Any] = {"data": _prepared(self._input, preprocessing)}
        # What still has its channels last, as pictures have: put in order only once it is rounded to bytes.
        self._channels_last = {"data"}
        for number, node in enumerate(self._nodes):
            if node.op != "null" and not self._is_folded(number):
                self._outputs[node.name] = self._round(node.name, self._layer(node))

    def model(self, watched: Sequence[str]) -> ov.Model:
        results = [self._outputs[name] for name in (self._nodes[-1].name, *watched)]
        return ov.Model([op.result(each) for each in results], [self._input])

    def _is_folded(self, number: int) -> bool:
        """Return whether a node is a convolution that the batch normalisation after it, and nothing else, takes."""
        users = self._users[number]
        return self._nodes[number].op == "Convolution" and len(users) == 1 and users[0].op == "BatchNorm"

    def _round(self, name: str, output: Any) -> Any:
        if name not in self._ranges:
            return output
        return op.fake_quantize(output, *bounds(*self._ranges[name]), LEVELS)

    def _layer(self, node: _Node) -> Any:
        if node.op == "Convolution":
            return self._convolution(node)
        if node.op == "BatchNorm":
            return self._batch_norm(node)
        if node.op == "FullyConnected":
            return self._fully_connected(node)
        if node.op in _ARITHMETIC:
            return self._arithmetic(node)
        data = self._source(node, 0)
        if node.op == "Pooling":
            return _pooling(node, data)
        if node.op == "Activation" and node.given["act_type"] in _ACTIVATIONS:
            return _ACTIVATIONS[node.given["act_type"]](data)
        if node.op in ("Flatten", "flatten"):
            return op.reshape(data, [0, -1], special_zero=True)
        if node.op == "Concat":
            return op.concat([self._source(node, place) for place in range(len(node.inputs))], node.given.get("dim", 1))
        if node.op in _SOFTMAX:
            return op.softmax(data, 1)
        if node.op in _SIGMOID:
            return op.sigmoid(data)
        if node.op in _SAME:
            return data
        raise Untranslatable(f"{node.name} is a {node.op}")

    def _source(self, node: _Node, place: int) -> Any:
        source = self._nodes[node.inputs[place]]
        if self._is_parameter(node, place):
            return op.constant(self._array(node, place))
        if source.name in self._channels_last:
            self._channels_last.remove(source.name)
            self._outputs[source.name] = planes(self._outputs[source.name])
        return self._outputs[source.name]

    def _is_parameter(self, node: _Node, place: int) -> bool:
        source = self._nodes[node.inputs[place]]
        return source.op == "null" and source.name != "data"

    def _with_constant(self, node: _Node, constant: Floats) -> tuple[Any, Any]:
        """Return what a node takes first, and a constant for each of its channels, shaped to go with it."""
        source = self._nodes[node.inputs[0]].name
        if source not in self._channels_last:
            return self._source(node, 0), constant[:, None, None]
        self._channels_last.add(node.name)
        return self._outputs[source], constant

    def _arithmetic(self, node: _Node) -> Any:
        if node.op.endswith("_scalar"):
            return _ARITHMETIC[node.op](self._source(node, 0), np.float32(node.given["scalar"]))
        if self._is_parameter(node, 1):
            other = self._array(node, 1)
            if other.ndim == 4 and other.shape[0] == other.shape[2] == other.shape[3] == 1:
                return _ARITHMETIC[node.op](*self._with_constant(node, other.reshape(-1)))
        return _ARITHMETIC[node.op](self._source(node, 0), self._source(node, 1))

    def _array(self, node: _Node, place: int) -> Floats:
        name = self._nodes[node.inputs[place]].name
        if name not in self._arrays:
            raise ContainerError(f"the parameters have no {name}", "the symbol needs it", "Save the model again")
        return np.asarray(self._arrays[name], np.float32)

    def _weights(self, node: _Node, weights: Floats) -> Any:
        """Return weights as a constant, rounded to 7 bits, each output channel by its own scale, if its data is."""
        constant = op.constant(np.ascontiguousarray(weights))
        if self._nodes[node.inputs[0]].name not in self._ranges:
            return constant
        axes = tuple(range(1, weights.ndim))
        # Where all weights of a channel are 0, any scale will do.
        most = np.maximum(np.abs(weights).max(axes, keepdims=True), np.float32(1e-30))
        # Of 8 bits 7 are used: CPUs without VNNI and AMX add pairs of products in 16 bits, which then cannot overflow.
        most *= 2
        return op.fake_quantize(constant, -most, most, -most, most, LEVELS - 1)

    def _convolution(self, node: _Node, scale: Floats | None = None, shift: Floats | None = None) -> Any:
        given = node.given
        groups, (height, width) = given.get("num_group", 1), given["kernel"]
        if given.get("layout", "NCHW") not in ("NCHW", "None", None):
            raise Untranslatable(f"{node.name} has the layout {given['layout']}")
        weights = self._array(node, 1)
        bias = np.zeros(len(weights), np.float32) if given.get("no_bias", False) else self._array(node, 2)
        if scale is not None and shift is not None:
            weights, bias = weights * scale[:, None, None, None], bias * scale + shift
        pads, window = given.get("pad") or (0, 0), (given.get("stride") or (1, 1), given.get("dilate") or (1, 1))
        convolve = op.convolution
        constant = self._weights(node, weights)
        if groups > 1:
            convolve = op.group_convolution
            constant = op.reshape(constant, [groups, len(weights) // groups, -1, height, width], special_zero=False)
        output = convolve(self._source(node, 0), constant, window[0], pads, pads, window[1])
        return op.add(output, bias[:, None, None]) if bias.any() else output

    def _batch_norm(self, node: _Node) -> Any:
        gamma, beta, mean, variance = (self._array(node, place) for place in range(1, 5))
        if node.given.get("fix_gamma", True):
            gamma = np.ones_like(gamma)
        scale = gamma / np.sqrt(variance + np.float32(node.given.get("eps", 1e-3)))
        shift = beta - mean * scale
        if self._is_folded(node.inputs[0]):
            return self._convolution(self._nodes[node.inputs[0]], scale, shift)
        data, scale = self._with_constant(node, scale)
        return op.add(op.multiply(data, scale), shift.reshape(scale.shape))

    def _fully_connected(self, node: _Node) -> Any:
        data = self._source(node, 0)
        if node.given.get("flatten", True):
            data = op.reshape(data, [0, -1], special_zero=True)
        output = op.matmul(data, self._weights(node, self._array(node, 1)), False, True)
        return output if node.given.get("no_bias", False) else op.add(output, self._array(node, 2))


def _prepared(pixels: Any, preprocessing: Preprocessing) -> Any:
    """Return pixels as numbers, normalised if the net does not do it itself."""
    numbers = op.convert(pixels, "f32")
    if any(preprocessing.mean):
        numbers = op.subtract(numbers, np.array(preprocessing.mean, np.float32))
    if any(each != 1 for each in preprocessing.deviation):
        numbers = op.divide(numbers, np.array(preprocessing.deviation, np.float32))
    return numbers


def _pooling(node: _Node, data: Any) -> Any:
    given, kind = node.given, node.given.get("pool_type", "max")
    full = given.get("pooling_convention", "valid") == "full"
    if given.get("layout") not in ("NCHW", "None", None) or kind not in ("max", "avg"):
        raise Untranslatable(f"{node.name} is a Pooling of the kind {kind}, {given.get('layout')}")
    if given.get("global_pool", False):
        return (op.reduce_mean if kind == "avg" else op.reduce_max)(data, [2, 3], keep_dims=True)
    kernel, stride, pads = given["kernel"], given.get("stride") or (1, 1), given.get("pad") or (0, 0)
    rounding = "ceil" if full else "floor"
    if kind == "max":
        return op.max_pool(data, stride, (1, 1), pads, pads, kernel, rounding).output(0)
    if full:
        # What lies over the edge is counted by one and not by the other.
        raise Untranslatable(f"{node.name} is an average pooling that rounds up")
    return op.avg_pool(data, stride, pads, pads, kernel, not given.get("count_include_pad", True), rounding)
