"""Reads the graph of a net from the JSON that MXNet saves, without MXNet.

A node has a name, an operator ("null" for the data and the parameters), attributes and inputs; a head is a node that
the net returns. Source: nnvm's src/pass/saveload_json.cc.
"""

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ..errors import ClientError

# What a net ends in: one class of several, or each label on its own.
SOFTMAX, SIGMOID = "softmax", "sigmoid"
# The operators that end a net in training. They take the label too, and name the loss.
LOSSES = {SOFTMAX: "SoftmaxOutput", SIGMOID: "LogisticRegressionOutput"}
_ENDINGS = {
    **{operator: ending for ending, operator in LOSSES.items()},
    **dict.fromkeys(("softmax", "SoftmaxActivation"), SOFTMAX),
    "sigmoid": SIGMOID,
}
# What holds the attributes had other names before MXNet 1.0.
_ATTRIBUTES = ("attrs", "attr", "param")


@dataclass(frozen=True)
class Node:
    """A layer, a parameter or the data. `inputs` are numbers of nodes before it."""

    name: str
    operator: str
    attributes: Mapping[str, Any]
    inputs: tuple[int, ...]

    @property
    def is_variable(self) -> bool:
        """Whether it is a parameter or the data, and computes nothing."""
        return self.operator == "null"

    @property
    def probabilities(self) -> str | None:
        """SOFTMAX or SIGMOID if it makes probabilities of logits in that way, else None."""
        if self.operator == "Activation" and self.attributes.get("act_type") == SIGMOID:
            return SIGMOID
        return _ENDINGS.get(self.operator)


@dataclass(frozen=True)
class Graph:
    """The nodes of a net, each after its inputs; `heads` are (node, which of its outputs)."""

    nodes: tuple[Node, ...]
    heads: tuple[tuple[int, int], ...]

    @classmethod
    def read(cls, symbol: str) -> "Graph":
        """Return the graph of a symbol, as MXNet's `tojson` gives it. Raises ClientError if it is damaged."""
        try:
            content = json.loads(symbol)
            nodes = tuple(_node(number, each) for number, each in enumerate(content["nodes"]))
            heads = tuple((int(head[0]), int(head[1])) for head in content["heads"])
            if not heads or not all(0 <= node < len(nodes) for node, _ in heads):
                raise ValueError("a head is not one of its nodes")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            why = f"It is not a graph as MXNet saves it: {type(error).__name__}, {error}"
            raise ClientError("The model's symbol cannot be read", why, "Save the model again") from error
        return cls(nodes, heads)

    @property
    def last(self) -> Node:
        """The node that the net returns, the first of several."""
        return self.nodes[self.heads[0][0]]

    @property
    def ending(self) -> str | None:
        """SOFTMAX or SIGMOID, None if the net ends in something else."""
        return self.last.probabilities

    @property
    def ends_in_loss(self) -> bool:
        """Whether the net ends as it was trained, and so takes a label."""
        return self.last.operator in LOSSES.values()

    @property
    def is_multi_label(self) -> bool:
        """Whether the net answers each label on its own."""
        return self.ending == SIGMOID

    @cached_property
    def users(self) -> tuple[tuple[Node, ...], ...]:
        """For each node those that take it."""
        found: list[list[Node]] = [[] for _ in self.nodes]
        for node in self.nodes:
            for source in node.inputs:
                found[source].append(node)
        return tuple(map(tuple, found))


def _node(number: int, node: Mapping[str, Any]) -> Node:
    texts: Mapping[str, str] = next((node[key] for key in _ATTRIBUTES if node.get(key)), {})
    inputs = tuple(int(source[0]) for source in node["inputs"])
    if not all(0 <= source < number for source in inputs):
        raise ValueError(f"node {number} takes what does not come before it")
    return Node(str(node["name"]), str(node["op"]), {name: _value(text) for name, text in texts.items()}, inputs)


def _value(text: str) -> Any:
    """Return what a text stands for: "(3, 3)", "True" and "1e-5" are Python's literals, names stay as they are."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
