"""symbol: the graph of a net as MXNet saved it, and what the net ends in."""

import json
import subprocess
import sys

import mxnet as mx
import pytest

from sagemaker_gluoncv_container.errors import ClientError
from sagemaker_gluoncv_container.inference.symbol import SIGMOID, SOFTMAX, Graph

data = mx.sym.var("data")
convolution = mx.sym.Convolution(data, num_filter=4, kernel=(3, 2), no_bias=True, name="c")
logits = mx.sym.FullyConnected(mx.sym.Activation(convolution, act_type="relu", name="r"), num_hidden=5, name="fc")


def test_nodes() -> None:
    """Every node has its name, operator, attributes as Python's values, and the nodes that it takes."""
    graph = Graph.read(logits.tojson())
    names = [node.name for node in graph.nodes]
    by_name = dict(zip(names, graph.nodes, strict=True))
    assert names == ["data", "c_weight", "c", "r", "fc_weight", "fc_bias", "fc"]
    assert [node.name for node in graph.nodes if node.is_variable] == ["data", "c_weight", "fc_weight", "fc_bias"]
    assert (by_name["c"].operator, by_name["c"].inputs) == ("Convolution", (0, 1))
    assert by_name["c"].attributes == {"kernel": (3, 2), "no_bias": True, "num_filter": 4}
    assert by_name["r"].attributes == {"act_type": "relu"}
    assert graph.last is by_name["fc"]
    assert graph.heads == ((6, 0),)


def test_users() -> None:
    """Each node knows who takes it, once for each time."""
    graph = Graph.read((mx.sym.Activation(convolution, act_type="relu", name="r") + convolution).tojson())
    users = {node.name: [user.operator for user in users] for node, users in zip(graph.nodes, graph.users, strict=True)}
    assert users["c"] == ["Activation", "elemwise_add"]
    assert users["data"] == ["Convolution"]
    assert users[graph.last.name] == []
    twice = Graph.read((data + data).tojson())
    assert len(twice.users[0]) == 2


@pytest.mark.parametrize(
    ("symbol", "ending", "ends_in_loss"),
    [
        (mx.sym.SoftmaxOutput(logits), SOFTMAX, True),
        (mx.sym.LogisticRegressionOutput(logits), SIGMOID, True),
        (mx.sym.softmax(logits), SOFTMAX, False),
        (mx.sym.SoftmaxActivation(logits), SOFTMAX, False),
        (mx.sym.sigmoid(logits), SIGMOID, False),
        (mx.sym.Activation(logits, act_type="sigmoid"), SIGMOID, False),
        (mx.sym.Activation(logits, act_type="relu"), None, False),
        (logits, None, False),
        (mx.sym.sigmoid(logits) + 1, None, False),
    ],
    ids=str,
)
def test_endings(symbol: mx.sym.Symbol, ending: str | None, ends_in_loss: bool) -> None:
    """What makes probabilities of logits is known by its operator, and only at the end."""
    graph = Graph.read(symbol.tojson())
    assert (graph.ending, graph.ends_in_loss, graph.is_multi_label) == (ending, ends_in_loss, ending == SIGMOID)


@pytest.mark.parametrize("key", ["attrs", "attr", "param"])
def test_attributes_of_before_mxnet_1(key: str) -> None:
    """Attributes stood under other names in older versions."""
    content = json.loads(logits.tojson())
    content["nodes"] = [{key if n == "attrs" else n: v for n, v in node.items()} for node in content["nodes"]]
    assert Graph.read(json.dumps(content)) == Graph.read(logits.tojson())


def test_several_outputs() -> None:
    """All heads are known, with the number of the output that each one is."""
    first, second = mx.sym.split(data, num_outputs=2, axis=1)
    assert [output for _, output in Graph.read(mx.sym.Group([second, first]).tojson()).heads] == [1, 0]


def node(**changes: object) -> dict[str, object]:
    """Return a graph of one node, changed."""
    return {"nodes": [{"op": "null", "name": "data", "inputs": [], **changes}], "heads": [[0, 0, 0]]}


@pytest.mark.parametrize(
    "text",
    [
        "", "nonsense", "null", "[]", "3", "{}", "[" * 100_000, '{"nodes": [], "heads": []}',
        json.dumps({**node(), "heads": []}), json.dumps({**node(), "heads": [[1, 0, 0]]}),
        json.dumps({**node(), "heads": [[-1, 0]]}), json.dumps({**node(), "heads": [["a", "b"]]}),
        json.dumps(node(inputs=[[0, 0, 0]])), json.dumps(node(inputs=[[5, 0, 0]])), json.dumps(node(inputs=3)),
        json.dumps(node(attrs="x")), json.dumps({"nodes": [{}], "heads": [[0, 0]]}),
        json.dumps({"nodes": [7], "heads": [[0, 0]]}), json.dumps({"nodes": 7, "heads": [[0, 0]]}),
    ],
    ids=lambda text: text[:40],
)  # fmt: skip
def test_damaged(text: str) -> None:
    """What is not a graph is one error that says so and what to do."""
    with pytest.raises(ClientError, match="The model's symbol cannot be read.*Save the model again"):
        Graph.read(text)


def test_needs_no_mxnet() -> None:
    """The module loads where MXNet is not installed."""
    code = "import sys; sys.modules.update(mxnet=None); import sagemaker_gluoncv_container.inference.symbol"
    subprocess.run([sys.executable, "-c", code], check=True)
