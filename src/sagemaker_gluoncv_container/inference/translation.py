"""Translates a net from MXNet's symbol to an OpenVINO model that takes RGB pixels and gives probabilities.

Batch normalisation is folded into the convolution before it. Where the range of a layer's output is known, the output
is rounded to 8 bits, and so are the weights of the layers that take it (`rounding`). OpenVINO then computes these
layers in int8. Sources: MXNet's operator documentation; OpenVINO's operation sets and "Low
Precision Transformations".
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray
from openvino import opset13 as op

from ..arrays import Floats
from ..errors import ContainerError
from ..images import Preprocessing
from .rounding import BALANCED, LEVELS, Rounding
from .symbol import SOFTMAX, Graph, Node

Range = tuple[float, float]
# Layers whose inputs are rounded.
_ROUND_INPUTS_OF = ("Convolution", "FullyConnected", "Pooling")
_SAME = ("Dropout", "identity", "_copy", "BlockGrad", "stop_gradient")
_ARITHMETIC = {
    **dict.fromkeys(("elemwise_add", "_Plus", "_plus", "broadcast_add", "broadcast_plus", "_plus_scalar"), op.add),
    **dict.fromkeys(("elemwise_sub", "broadcast_sub", "broadcast_minus", "_minus_scalar"), op.subtract),
    **dict.fromkeys(("elemwise_mul", "broadcast_mul", "_mul_scalar"), op.multiply),
    **dict.fromkeys(("elemwise_div", "broadcast_div", "_div_scalar"), op.divide),
}
_ACTIVATIONS = {"relu": op.relu, "sigmoid": op.sigmoid, "tanh": op.tanh}
# Why a layer is not translated, and what becomes of its net.
_UNKNOWN, _BY_MXNET = "It has no translation to OpenVINO", "MXNet computes the net, in float32"


class Untranslatable(ContainerError):
    """The net has something that is not translated; MXNet can still compute it."""


def translate(
    symbol: str,
    arrays: Mapping[str, NDArray[Any]],
    preprocessing: Preprocessing,
    ranges: Mapping[str, Range] | None = None,
    watched: Sequence[str] = (),
    rounding: Rounding | None = None,
) -> ov.Model:
    """Return the model: it takes uint8 (1, height, width, 3), RGB, and gives float32 (1, classes).

    `arrays` have the names of a .params file, `ranges` the names that `rounded` gives (none: all of it in float32).
    The outputs of the `watched` layers follow the probabilities. `rounding` says how weights are rounded. Raises
    Untranslatable, ClientError if the symbol is damaged, ContainerError if a parameter is missing.
    """
    try:
        return _Translation(symbol, arrays, preprocessing, ranges or {}, rounding or Rounding()).model(watched)
    except (LookupError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        why = f"The translation ended with {type(error).__name__}: {str(error).strip().rpartition(chr(10))[2]}"
        raise Untranslatable("OpenVINO cannot compute the net", why, _BY_MXNET) from error


def bounds(low: float, high: float) -> list[np.float32]:
    """Return the bounds of a rounding as fake_quantize wants them: of its input, and the same of its output."""
    return [np.float32(each) for each in (low, high, low, high)]


def planes(numbers: Any) -> Any:
    """Return (n, height, width, channels) as (n, channels, height, width)."""
    return op.transpose(numbers, [0, 3, 1, 2])


def rounded(symbol: str) -> list[str]:
    """Return the names of the layers whose output is rounded to 8 bits."""
    nodes = Graph.read(symbol).nodes
    numbers = {node.inputs[0] for node in nodes if node.operator in _ROUND_INPUTS_OF}
    return [nodes[number].name for number in sorted(numbers) if not nodes[number].is_variable]


class _Translation:
    def __init__(
        self,
        symbol: str,
        arrays: Mapping[str, NDArray[Any]],
        preprocessing: Preprocessing,
        ranges: Mapping[str, Range],
        rounding: Rounding,
    ) -> None:
        self._graph, self._ranges, self._rounding = Graph.read(symbol), ranges, rounding
        self._nodes = self._graph.nodes
        if self._graph.heads != ((len(self._nodes) - 1, 0),):
            raise Untranslatable("The net has several outputs", "It must have one", _BY_MXNET)
        self._arrays = {name.partition(":")[2]: array for name, array in arrays.items()}
        self._input = op.parameter([1, preprocessing.height, preprocessing.width, 3], np.uint8, "pixels")
        self._outputs: dict[str, Any] = {"data": _prepared(self._input, preprocessing)}
        # Outputs that still have their channels last, as pictures do; bytes are faster to transpose than floats.
        self._channels_last = {"data"}
        for number, node in enumerate(self._nodes):
            if not node.is_variable and not self._is_folded(number):
                self._outputs[node.name] = self._round(node.name, self._layer(node))

    def model(self, watched: Sequence[str]) -> ov.Model:
        results = [self._outputs[name] for name in (self._nodes[-1].name, *watched)]
        return ov.Model([op.result(each) for each in results], [self._input])

    def _is_folded(self, number: int) -> bool:
        """Return whether a node is a convolution that the batch normalisation after it, and nothing else, takes."""
        users = self._graph.users[number]
        return self._nodes[number].operator == "Convolution" and len(users) == 1 and users[0].operator == "BatchNorm"

    def _round(self, name: str, output: Any) -> Any:
        if name not in self._ranges:
            return output
        return op.fake_quantize(output, *bounds(*self._ranges[name]), LEVELS)

    def _layer(self, node: Node) -> Any:
        if node.operator == "Convolution":
            return self._convolution(node)
        if node.operator == "BatchNorm":
            return self._batch_norm(node)
        if node.operator == "FullyConnected":
            return self._fully_connected(node)
        if node.operator in _ARITHMETIC:
            return self._arithmetic(node)
        data = self._source(node, 0)
        if node.operator == "Pooling":
            return _pooling(node, data)
        if node.operator == "Activation" and node.attributes["act_type"] in _ACTIVATIONS:
            return _ACTIVATIONS[node.attributes["act_type"]](data)
        if node.operator in ("Flatten", "flatten"):
            return op.reshape(data, [0, -1], special_zero=True)
        if node.operator == "Concat":
            return op.concat(
                [self._source(node, place) for place in range(len(node.inputs))], node.attributes.get("dim", 1)
            )
        if node.probabilities:
            return op.softmax(data, 1) if node.probabilities == SOFTMAX else op.sigmoid(data)
        if node.operator in _SAME:
            return data
        raise Untranslatable(f"{node.name} is a {node.operator} layer", _UNKNOWN, _BY_MXNET)

    def _source(self, node: Node, place: int) -> Any:
        source = self._nodes[node.inputs[place]]
        if self._is_parameter(node, place):
            return op.constant(self._array(node, place))
        if source.name in self._channels_last:
            self._channels_last.remove(source.name)
            self._outputs[source.name] = planes(self._outputs[source.name])
        return self._outputs[source.name]

    def _is_parameter(self, node: Node, place: int) -> bool:
        source = self._nodes[node.inputs[place]]
        return source.is_variable and source.name != "data"

    def _with_constant(self, node: Node, constant: Floats) -> tuple[Any, Any]:
        """Return a node's first input, and a constant per channel, in the shape that broadcasts to it."""
        source = self._nodes[node.inputs[0]].name
        if source not in self._channels_last:
            return self._source(node, 0), constant[:, None, None]
        self._channels_last.add(node.name)
        return self._outputs[source], constant

    def _arithmetic(self, node: Node) -> Any:
        if node.operator.endswith("_scalar"):
            return _ARITHMETIC[node.operator](self._source(node, 0), np.float32(node.attributes["scalar"]))
        if self._is_parameter(node, 1):
            other = self._array(node, 1)
            if other.ndim == 4 and other.shape[0] == other.shape[2] == other.shape[3] == 1:
                return _ARITHMETIC[node.operator](*self._with_constant(node, other.reshape(-1)))
        return _ARITHMETIC[node.operator](self._source(node, 0), self._source(node, 1))

    def _array(self, node: Node, place: int) -> Floats:
        name = self._nodes[node.inputs[place]].name
        if name not in self._arrays:
            raise ContainerError(f"The parameters have no {name}", "The symbol needs it", "Save the model again")
        return np.asarray(self._arrays[name], np.float32)

    def _weights(self, node: Node, weights: Floats) -> Any:
        """Return the weights of a layer as a constant, rounded if the data are that they meet."""
        if self._nodes[node.inputs[0]].name not in self._ranges or self._stays_float(node):
            return op.constant(np.ascontiguousarray(weights))
        weights, most = self._rounding.of(node.name, weights)
        return op.fake_quantize(op.constant(np.ascontiguousarray(weights)), -most, most, -most, most, LEVELS - 1)

    def _stays_float(self, node: Node) -> bool:
        """Return whether a layer is the head: its rounding would go straight into the answer, and saves no time."""
        if node.operator != "FullyConnected" or self._rounding.kind != BALANCED:
            return False
        users = self._graph.users[self._nodes.index(node)]
        return node is self._graph.last or users == (self._graph.last,)

    def _convolution(self, node: Node, scale: Floats | None = None, shift: Floats | None = None) -> Any:
        given = node.attributes
        groups, (height, width) = given.get("num_group", 1), given["kernel"]
        if given.get("layout", "NCHW") not in ("NCHW", "None", None):
            raise Untranslatable(f"{node.name} has the layout {given['layout']}", _UNKNOWN, _BY_MXNET)
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

    def _batch_norm(self, node: Node) -> Any:
        gamma, beta, mean, variance = (self._array(node, place) for place in range(1, 5))
        if node.attributes.get("fix_gamma", True):
            gamma = np.ones_like(gamma)
        scale = gamma / np.sqrt(variance + np.float32(node.attributes.get("eps", 1e-3)))
        shift = beta - mean * scale
        if self._is_folded(node.inputs[0]):
            return self._convolution(self._nodes[node.inputs[0]], scale, shift)
        data, scale = self._with_constant(node, scale)
        return op.add(op.multiply(data, scale), shift.reshape(scale.shape))

    def _fully_connected(self, node: Node) -> Any:
        data = self._source(node, 0)
        if node.attributes.get("flatten", True):
            data = op.reshape(data, [0, -1], special_zero=True)
        output = op.matmul(data, self._weights(node, self._array(node, 1)), False, True)
        return output if node.attributes.get("no_bias", False) else op.add(output, self._array(node, 2))


def _prepared(pixels: Any, preprocessing: Preprocessing) -> Any:
    """Return pixels as floats, normalised if the net does not do that itself."""
    numbers = op.convert(pixels, "f32")
    if any(preprocessing.mean):
        numbers = op.subtract(numbers, np.array(preprocessing.mean, np.float32))
    if any(each != 1 for each in preprocessing.deviation):
        numbers = op.divide(numbers, np.array(preprocessing.deviation, np.float32))
    return numbers


def _pooling(node: Node, data: Any) -> Any:
    given, kind = node.attributes, node.attributes.get("pool_type", "max")
    full = given.get("pooling_convention", "valid") == "full"
    if given.get("layout") not in ("NCHW", "None", None) or kind not in ("max", "avg"):
        what = f"{node.name} is a pooling of the kind {kind} with the layout {given.get('layout')}"
        raise Untranslatable(what, _UNKNOWN, _BY_MXNET)
    if given.get("global_pool", False):
        return (op.reduce_mean if kind == "avg" else op.reduce_max)(data, [2, 3], keep_dims=True)
    kernel, stride, pads = given["kernel"], given.get("stride") or (1, 1), given.get("pad") or (0, 0)
    rounding = "ceil" if full else "floor"
    if kind == "max":
        return op.max_pool(data, stride, (1, 1), pads, pads, kernel, rounding).output(0)
    if full:
        # MXNet counts the pixels beyond the edge, OpenVINO does not.
        raise Untranslatable(f"{node.name} is an average pooling that rounds up", _UNKNOWN, _BY_MXNET)
    return op.avg_pool(data, stride, pads, pads, kernel, not given.get("count_include_pad", True), rounding)
