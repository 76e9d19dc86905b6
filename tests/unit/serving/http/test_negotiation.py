"""negotiation: which answers are given, the options of an answer, and its bytes."""

import json
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sagemaker_gluoncv_container.errors import BadRequest, NotAcceptable
from sagemaker_gluoncv_container.serving.http import negotiation
from sagemaker_gluoncv_container.serving.http.bodies import Shape
from sagemaker_gluoncv_container.serving.http.content_types import JSON, JSON_LINES, JSON_LINES_TYPES
from sagemaker_gluoncv_container.serving.http.negotiation import AnswerFormat, Options

PROBABILITIES = np.array([0.125, 0.5, 0.25, 0.125], np.float32)


def negotiate(
    accept: str, attributes: str = "", batch_transform: bool = False, shape: Shape = Shape.ONE
) -> AnswerFormat:
    """Negotiate with the usual defaults."""
    return negotiation.negotiate(accept, attributes, batch_transform, shape)


@pytest.mark.parametrize("accept", ["*/*", "", "application/*", "application/json", "text/html, */*;q=0.1"])
def test_json_is_what_is_given_first(accept: str) -> None:
    """JSON is given to whoever takes it or anything: a bare array in real time, an object in batch transform."""
    assert negotiate(accept) == AnswerFormat(JSON, True, Options())
    assert negotiate(accept, batch_transform=True) == AnswerFormat(JSON, False, Options())


@pytest.mark.parametrize(
    "accept", ["application/jsonlines", "APPLICATION/JSONLINES", "application/json;q=0.1, application/jsonlines"]
)
def test_json_lines_when_asked_for(accept: str) -> None:
    """JSON Lines are given to whoever prefers them."""
    assert negotiate(accept) == AnswerFormat(JSON_LINES, False, Options())


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/jsonlines"])
def test_many_pictures_are_answered_in_lines(accept: str) -> None:
    """Many pictures get JSON Lines, also for a client that says application/json."""
    assert negotiate(accept, shape=Shape.LINES).content_type == JSON_LINES


@pytest.mark.parametrize("accept", ["text/csv", "image/*", "application/json;q=0", "nonsense"])
@pytest.mark.parametrize("shape", list(Shape))
def test_what_cannot_be_given(accept: str, shape: Shape) -> None:
    """A client that takes nothing that can be given is refused."""
    with pytest.raises(NotAcceptable):
        negotiate(accept, shape=shape)


@pytest.mark.parametrize(
    ("accept", "attributes"),
    [
        ("application/json;top_k=2;classes=TRUE;threshold=0.5", ""),
        ("*/*;top_k=2;classes=true;threshold=0.5", ""),
        ("*/*", "top_k=2,classes=true,threshold=0.5"),
        ("*/*", "trace=1; TOP_K = 2 ;classes=true; threshold=.5; more"),
        ("*/*;top_k=2", "classes=true,threshold=0.5,top_k=9"),
    ],
)
def test_options(accept: str, attributes: str) -> None:
    """Options come by Accept or Custom-Attributes; what others put there is left unchanged, and Accept wins."""
    assert negotiate(accept, attributes).options == Options(classes=True, top_k=2, threshold=0.5)


@pytest.mark.parametrize(
    "option", ["top_k=0", "top_k=x", "top_k=1.5", "classes=yes", "threshold=1.1", "threshold=nan", "top_k="]
)
def test_wrong_options(option: str) -> None:
    """A wrong value is refused, and the message says which are right."""
    with pytest.raises(BadRequest, match="top_k a whole number from 1"):
        negotiate("*/*", option)


def test_the_bare_answer() -> None:
    """Without options the answer is the built-in's array, its numbers in full."""
    answer = negotiate("*/*").one(np.array([1 / 3, 2 / 3], np.float32))
    assert answer == "[0.3333333432674408, 0.6666666865348816]"


@pytest.mark.parametrize(
    ("options", "labels"),
    [
        (Options(top_k=1), [1]),
        (Options(top_k=9), [1, 2, 0, 3]),
        (Options(threshold=0.25), [1, 2]),
        (Options(threshold=0.0), [1, 2, 0, 3]),
        (Options(top_k=1, threshold=0.9), []),
    ],
)
def test_chosen_labels(options: Options, labels: list[int]) -> None:
    """The most probable come first, those alike in their order, as many as asked for, from the threshold on."""
    answer = json.loads(AnswerFormat(JSON, True, options).one(PROBABILITIES))
    assert [each["label"] for each in answer] == labels
    assert [each["probability"] for each in answer] == [float(PROBABILITIES[label]) for label in labels]


@pytest.mark.parametrize(("classes", "name"), [(("a", "b", "c", "d"), "b"), ((), "1"), (("a",), "1")])
def test_class_names(classes: tuple[str, ...], name: str) -> None:
    """A label has its name, or its number where the model has none."""
    (best,) = json.loads(AnswerFormat(JSON, True, Options(classes=True, top_k=1), classes).one(PROBABILITIES))
    assert best == {"label": 1, "class": name, "probability": 0.5}


def test_lines() -> None:
    """Many answers are lines in order, an error in its place, whatever form one answer has."""
    lines = negotiate("*/*", shape=Shape.LINES).many(
        [PROBABILITIES, BadRequest("It is bad"), PROBABILITIES], Shape.LINES
    )
    answers = [json.loads(line) for line in lines.split("\n")]
    assert answers == [
        {"prediction": PROBABILITIES.tolist()},
        {"error": "It is bad."},
        {"prediction": PROBABILITIES.tolist()},
    ]


@pytest.mark.parametrize("kind", sorted(JSON_LINES_TYPES))
def test_each_name_of_json_lines(kind: str) -> None:
    """JSON Lines is given under the name by which a client asks for it."""
    for shape in Shape:
        assert negotiate(f"{kind}; q=0.9", shape=shape) == AnswerFormat(kind, False, Options())


def test_json_lists() -> None:
    """A JSON list is answered with a list, and instances as TensorFlow Serving answers them."""
    results = [PROBABILITIES, BadRequest("It is bad")]
    bare, error = PROBABILITIES.tolist(), {"error": "It is bad."}

    def answer(shape: Shape, batch_transform: bool = False) -> object:
        wanted = negotiate("*/*", batch_transform=batch_transform, shape=shape)
        assert wanted.content_type == JSON
        return json.loads(wanted.many(results, shape))

    assert answer(Shape.LIST) == [bare, error]
    assert answer(Shape.LIST, batch_transform=True) == [{"prediction": bare}, error]
    assert answer(Shape.INSTANCES) == answer(Shape.INSTANCES, batch_transform=True) == {"predictions": [bare, error]}
    lines = negotiate(JSON_LINES, shape=Shape.INSTANCES).many(results, Shape.INSTANCES).split("\n")
    assert [json.loads(line) for line in lines] == [{"prediction": bare}, error]


@given(accept=st.text(max_size=60), attributes=st.text(max_size=60))
def test_any_header(accept: str, attributes: str) -> None:
    """No header makes anything but a format or a refusal."""
    with suppress(NotAcceptable, BadRequest):
        assert negotiate(accept, attributes).content_type in (JSON, JSON_LINES)
