"""The `model` channel: a job that starts from what an earlier job has learnt.

The model is trained as the symbol that it is, with a new head if the number of classes differs. So it does not matter
which library made it: the built-in algorithm's ResNets have other layers than GluonCV's.
"""

import json
import logging
from collections.abc import Sequence

import mxnet as mx
from mxnet.gluon import HybridBlock, SymbolBlock, nn

from ...artifact import Artifact
from ...errors import ClientError
from ...inference.symbol import Graph
from ..hyperparameters import Counted
from .network import HEAD, NORMALIZATION, Normalization, assembled, freeze, frozen

logger = logging.getLogger(__name__)


def build(earlier: Artifact, hyperparameters: Counted, contexts: Sequence[mx.Context]) -> HybridBlock:
    """Return the net of an earlier model, from RGB 0-255 to logits, with a head for this job's classes.

    The head is the earlier one, if it is for as many. Raises ClientError if the model cannot be trained.
    """
    hp, contexts = hyperparameters, list(contexts)
    symbol, values = _read(earlier)
    logits = _without_output(_with_fresh_statistics(symbol, hp.freeze))
    body, weight, bias = _cut(logits, earlier)
    _check_shapes(logits, values, earlier)
    backbone = SymbolBlock(body, mx.sym.var("data", dtype="float32"))
    for name, parameter in backbone.collect_params().items():
        if name not in values:
            raise ClientError(f"{earlier.params} has no {name}", f"The net in {earlier.symbol.name} needs it")
        parameter._load_init(values[name], contexts)
        if name.startswith(NORMALIZATION):
            parameter.grad_req = "null"
    blocks = [backbone, _head(values.get(weight), values.get(bias), hp.num_classes, contexts)]
    pre = earlier.description.preprocessing
    if any(pre.mean) or pre.deviation != (1.0, 1.0, 1.0):
        # Serving did this outside the net. The nets that we save have it inside.
        shift, scale = ([value / 255 for value in values] for values in (pre.mean, pre.deviation))
        blocks.insert(0, Normalization(shift, scale))
    net = assembled(blocks, contexts)
    freeze(net, hp.freeze)
    try:
        for context in contexts:
            net(mx.nd.zeros((1, *hp.image_shape), ctx=context)).wait_to_read()
    except mx.MXNetError as error:
        what = f"The model in {earlier.directory} cannot take pictures of image_shape {_dotted(hp.image_shape)}"
        raise ClientError(what, _reason(error), f"It was made for {pre.height} x {pre.width} pixels") from error
    return net


def _read(earlier: Artifact) -> tuple[mx.sym.Symbol, dict[str, mx.nd.NDArray]]:
    """Return the net and its weights by name, as float32 whatever they are stored as."""
    try:
        symbol, weights = mx.sym.load(str(earlier.symbol)), mx.nd.load(str(earlier.params))
    except mx.MXNetError as error:
        raise ClientError(f"The model in {earlier.directory} cannot be read", _reason(error)) from error
    if not isinstance(weights, dict):
        raise ClientError(f"{earlier.params} has no names in it", "Its arrays cannot be told apart")
    return symbol, {name.partition(":")[2]: array.astype("float32") for name, array in weights.items()}


def _check_shapes(net: mx.sym.Symbol, values: dict[str, mx.nd.NDArray], earlier: Artifact) -> None:
    """Raise ClientError if weights are not of the shapes that the net asks for, at the size that it was made for."""
    pre = earlier.description.preprocessing
    try:
        arguments, _, states = net.infer_shape(data=(1, 3, pre.height, pre.width))
    except mx.MXNetError as error:
        what = f"The net in {earlier.symbol} cannot take pictures of {pre.height} x {pre.width} pixels"
        raise ClientError(what, _reason(error), "Give the files of one model") from error
    names = [*net.list_arguments(), *net.list_auxiliary_states()]
    for name, shape in zip(names, [*arguments, *states], strict=True):
        if name in values and values[name].shape != shape:
            why = f"{name} is {values[name].shape} there, and {shape} in {earlier.symbol.name}"
            raise ClientError(f"{earlier.params} does not fit its net", why, "Give the files of one model")


def _reason(error: mx.MXNetError) -> str:
    """Return the last line of what MXNet says: before it come the places in its sources."""
    return f"MXNet says: {str(error).strip().splitlines()[-1]}"


def _dotted(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _with_fresh_statistics(symbol: mx.sym.Symbol, upto: str) -> mx.sym.Symbol:
    """Return the symbol with its normalisation learning, except where `freeze` keeps it."""
    graph = json.loads(symbol.tojson())
    for node in graph["nodes"]:
        if node["op"] == "BatchNorm":
            gamma = graph["nodes"][node["inputs"][1][0]]["name"]
            node.setdefault("attrs", {})["use_global_stats"] = str(frozen(gamma, upto))
    return mx.sym.load_json(json.dumps(graph))


def _without_output(symbol: mx.sym.Symbol) -> mx.sym.Symbol:
    return symbol.get_children()[0] if Graph.read(symbol.tojson()).ending else symbol


def _cut(logits: mx.sym.Symbol, earlier: Artifact) -> tuple[mx.sym.Symbol, str, str]:
    """Return what comes before the head, and the names of the head's weight and bias ("" if it has none)."""
    last = Graph.read(logits.tojson()).last.operator
    if last != "FullyConnected":
        raise ClientError(
            f"{earlier.symbol.name} cannot be trained further",
            f"Its classes come from {last}, not from a fully connected layer",
            "Give a model of the image-classification algorithm or of this image",
        )
    inputs = logits.get_children()
    body, weight, *bias = (inputs[number] for number in range(len(inputs.list_outputs())))
    return body, weight.name, bias[0].name if bias else ""


def _head(
    weight: mx.nd.NDArray | None,
    bias: mx.nd.NDArray | None,
    classes: int,
    contexts: list[mx.Context],
) -> HybridBlock:
    """Return the head with the earlier weights, or with new ones if the number of classes differs."""
    head = nn.Dense(classes, prefix=HEAD)
    head.initialize(mx.init.Normal(0.01), ctx=contexts)
    if weight is None or weight.shape[0] != classes:
        before = "unknown" if weight is None else str(weight.shape[0])
        logger.info("The head is new: the earlier model has %s classes, this job %d", before, classes)
        return head
    head.weight._load_init(weight, contexts)
    if bias is not None:
        head.bias._load_init(bias, contexts)
    return head
