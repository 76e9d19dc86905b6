"""The `model` channel: a job that starts from what an earlier job has learnt.

The model is trained as the symbol that it is, with a new head if the number of classes differs. So it does not matter
which library made it: the built-in algorithm's ResNets have other layers than GluonCV's.
"""

import json
import logging
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import mxnet as mx
from mxnet.gluon import HybridBlock, SymbolBlock, nn

from ... import artifact
from ...artifact import Artifact
from ...contract import Paths
from ...data.channel_config import MODEL
from ...errors import ClientError
from ...inference.symbol import Graph
from ..hyperparameters import Counted
from .network import HEAD, NORMALIZATION, Normalization, assembled, freeze, frozen

logger = logging.getLogger(__name__)


def build(paths: Paths, hyperparameters: Counted, contexts: Sequence[mx.Context]) -> HybridBlock | None:
    """Return the net in the `model` channel, from RGB 0-255 to logits; None if the job has no such channel.

    Raises ClientError if the channel holds no model that can be trained.
    """
    folder = paths.channel(MODEL)
    if not folder.is_dir():
        return None
    with _unpacked(folder) as directory:
        net = _grown(artifact.load(directory), hyperparameters, list(contexts))
    logger.info("Starting from the model in %s; num_layers and use_pretrained_model have no meaning", folder)
    return net


@contextmanager
def _unpacked(folder: Path) -> Iterator[Path]:
    """Give the folder of the model: the channel's, or a temporary one with what its archive holds."""
    archives = [path for path in sorted(folder.rglob("*.tar.gz")) if path.is_file()]
    if not archives:
        yield next((path.parent for path in sorted(folder.rglob("*-symbol.json"))), folder)
        return
    with tempfile.TemporaryDirectory(prefix="sagemaker-gluoncv-model-") as temporary:
        try:
            with tarfile.open(archives[0]) as archive:
                _unpack(archive, Path(temporary))
        except (tarfile.TarError, OSError, EOFError) as error:
            raise ClientError(f"{archives[0]} cannot be unpacked", str(error), "Give a model made by a job") from error
        yield next((path.parent for path in sorted(Path(temporary).rglob("*-symbol.json"))), Path(temporary))


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    """Write an archive's files under a folder. Raises TarError for a path outside, a link or a device.

    The archive may come from anywhere, and the `filter` that would see to it is newer than Debian 12's Python 3.11.2.
    """
    for member in archive:
        target = (folder / member.name).resolve()
        if not target.is_relative_to(folder.resolve()) or not (member.isfile() or member.isdir()):
            raise tarfile.TarError(f"it holds {member.name!r}, which is no file within it")
        if source := archive.extractfile(member):
            target.parent.mkdir(parents=True, exist_ok=True)
            with source, target.open("wb") as file:
                shutil.copyfileobj(source, file)


def _grown(earlier: Artifact, hp: Counted, contexts: list[mx.Context]) -> HybridBlock:
    """Return the earlier model's net with a head for this job's classes: the old head, if there are as many."""
    try:
        symbol, weights = mx.sym.load(str(earlier.symbol)), mx.nd.load(str(earlier.params))
    except mx.MXNetError as error:
        raise ClientError(f"{earlier.symbol.parent} cannot be read", str(error).strip().splitlines()[-1]) from error
    values = {name.partition(":")[2]: array for name, array in weights.items()}
    logits = _without_output(_with_fresh_statistics(symbol, hp.freeze))
    body, weight, bias = _cut(logits, earlier)
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
    for context in contexts:
        net(mx.nd.zeros((1, *hp.image_shape), ctx=context)).wait_to_read()
    return net


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
    weight: mx.nd.NDArray | None, bias: mx.nd.NDArray | None, classes: int, contexts: list[mx.Context]
) -> HybridBlock:
    """Return the head with the earlier weights, or with new ones if the number of classes differs."""
    head = nn.Dense(classes, prefix=HEAD)
    head.initialize(mx.init.Normal(0.01), ctx=contexts)
    if weight is None or weight.shape[0] != classes:
        earlier = "unknown" if weight is None else str(weight.shape[0])
        logger.info("The head is new: the earlier model has %s classes, this job %d", earlier, classes)
        return head
    head.weight._load_init(weight, contexts)
    if bias is not None:
        head.bias._load_init(bias, contexts)
    return head
