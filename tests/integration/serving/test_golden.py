"""Promise: the bytes of every answer, for each content type and Accept, and for models that others have made."""

import base64
import io
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mxnet as mx
import numpy as np
import pytest
from draw_pictures import CLASSES, draw
from PIL import Image

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from support.model_server import ATTRIBUTES, Server, network, serve, weights

SIDE = 32
TOLERANCE = 1e-5
PROBABILITIES = [0.125, 0.5, 0.0625, 0.3125]
ARRAY = "[0.125, 0.5, 0.0625, 0.3125]"
OBJECT = f'{{"prediction": {ARRAY}}}'
JSON, JSON_LINES = "application/json", "application/jsonlines"
PICTURE = draw("car", 1)
RECORD = recordio.pack(ImageRecord((1.0,), 0, PICTURE))
LINE = json.dumps({"image": base64.b64encode(PICTURE).decode()}).encode()
INFERENCE_ID = "X-Amzn-SageMaker-Inference-Id"
CUT = draw("car", 1)[:900]


def png() -> bytes:
    """Return the picture as PNG."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(PICTURE)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a tree with a model whose answer to any picture is known to the last bit."""
    from sagemaker_gluoncv_container import artifact
    from sagemaker_gluoncv_container.images import Preprocessing

    folder = tmp_path_factory.mktemp("opt-ml")
    symbol = network(len(PROBABILITIES))
    arrays = weights(symbol, SIDE)
    arrays["arg:fc1_weight"][:] = 0
    arrays["arg:fc1_bias"][:] = [math.log(probability) for probability in PROBABILITIES]
    description = artifact.Description(1, 4, Preprocessing(SIDE, SIDE, 36), tuple(CLASSES))
    artifact.save(folder / "model", symbol.tojson(), lambda path: mx.nd.save(str(path), arrays), description)
    return folder


@pytest.fixture(scope="module")
def server(start: Callable[..., Server], base: Path) -> Server:
    """Return a server in real time with a limit of 1 MB."""
    return start(1, base=base, SAGEMAKER_MAX_PAYLOAD_IN_MB="1")


@pytest.fixture(scope="module")
def transform(start: Callable[..., Server], base: Path) -> Server:
    """Return a server in batch transform."""
    return start(1, base=base, SAGEMAKER_BATCH="True")


def rounded(body: bytes) -> str:
    """Return a body with its numbers rounded to six digits: softmax need not be exact to the last bit."""
    return "\n".join(
        json.dumps(json.loads(line, parse_float=lambda text: round(float(text), 6)))
        for line in body.decode().splitlines()
    )


ONE_PICTURE = [
    ("application/x-image", PICTURE),
    ("Application/X-Image; charset=binary", PICTURE),
    ("image/jpeg", PICTURE),
    ("IMAGE/PNG", png()),
    ("application/octet-stream", PICTURE),
    ("application/x-recordio", RECORD),
]
MANY = [
    ("application/x-recordio", recordio.frame(RECORD)),
    ("application/jsonlines", LINE),
    ("application/octet-stream", recordio.frame(RECORD)),
    ("application/octet-stream", LINE),
]
ACCEPTED = [
    (None, JSON, ARRAY, OBJECT),
    ("*/*", JSON, ARRAY, OBJECT),
    ("application/*", JSON, ARRAY, OBJECT),
    ("Application/JSON", JSON, ARRAY, OBJECT),
    ("text/csv, application/json;q=0.5", JSON, ARRAY, OBJECT),
    ("application/jsonlines", JSON_LINES, OBJECT, OBJECT),
    ("application/jsonlines;q=0.2, application/json", JSON, ARRAY, OBJECT),
]


@pytest.mark.parametrize(("accept", "content_type", "real_time", "in_transform"), ACCEPTED)
@pytest.mark.parametrize(("kind", "body"), ONE_PICTURE, ids=[kind for kind, _ in ONE_PICTURE])
def test_one_picture(
    server: Server,
    transform: Server,
    kind: str,
    body: bytes,
    accept: str | None,
    content_type: str,
    real_time: str,
    in_transform: str,
) -> None:
    """One picture is answered in the built-in's bytes: a bare array, or an object in batch transform and JSON Lines."""
    for asked, expected in ((server, real_time), (transform, in_transform)):
        reply = asked.invoke(body, kind, headers={"Accept": accept} if accept else {})
        assert (reply.status, reply.headers["Content-Type"]) == (200, content_type)
        assert rounded(reply.body) == expected


@pytest.mark.parametrize("accept", [None, "*/*", "application/jsonlines", "application/json"])
@pytest.mark.parametrize(("kind", "body"), MANY, ids=[kind for kind, _ in MANY])
def test_a_body_that_can_hold_many(
    server: Server, transform: Server, kind: str, body: bytes, accept: str | None
) -> None:
    """A body that can hold many pictures is answered in JSON Lines, in real time and in batch transform alike."""
    for asked in (server, transform):
        reply = asked.invoke(body, kind, headers={"Accept": accept} if accept else {})
        assert (reply.status, reply.headers["Content-Type"]) == (200, JSON_LINES)
        assert rounded(reply.body) == OBJECT


BEST = '{"label": 1, "probability": 0.5}'
SECOND = '{"label": 3, "probability": 0.3125}'
NAMED = '{"label": 1, "class": "car", "probability": 0.5}'
OPTIONS = [
    ("top_k=1", f"[{BEST}]"),
    ("top_k=2", f"[{BEST}, {SECOND}]"),
    ("threshold=0.3", f"[{BEST}, {SECOND}]"),
    ("threshold=0.9", "[]"),
    ("classes=true;top_k=1", f"[{NAMED}]"),
    ("classes=true;threshold=0.4", f"[{NAMED}]"),
]


@pytest.mark.parametrize(("options", "expected"), OPTIONS)
def test_options(server: Server, options: str, expected: str) -> None:
    """Class names, the top k and a threshold come when asked for, by Accept or by Custom-Attributes."""
    by_accept = server.invoke(PICTURE, headers={"Accept": f"application/json;{options}"})
    assert rounded(by_accept.body) == expected
    by_attributes = server.invoke(PICTURE, headers={ATTRIBUTES: options.replace(";", ",")})
    assert rounded(by_attributes.body) == expected
    lines = server.invoke(PICTURE, headers={"Accept": f"application/jsonlines;{options}"})
    assert rounded(lines.body) == f'{{"prediction": {expected}}}'


def test_headers_that_come_back(server: Server) -> None:
    """Custom-Attributes and Inference-Id come back as they were sent, with an error, too."""
    headers = {ATTRIBUTES: "trace=7, c000b4f9", INFERENCE_ID: "id-1"}
    for body, status in ((PICTURE, 200), (CUT, 415)):
        reply = server.invoke(body, headers=headers)
        assert reply.status == status
        assert {name: reply.headers[name] for name in headers} == headers
    assert ATTRIBUTES not in server.invoke(PICTURE).headers


REFUSED = [
    (400, "POST", "/invocations", b"", {}),
    (400, "POST", "/invocations", PICTURE, {"Accept": "application/json;top_k=0"}),
    (400, "POST", "/invocations", PICTURE, {ATTRIBUTES: "threshold=2"}),
    (404, "GET", "/nothing", None, {}),
    (404, "GET", "/models", None, {}),
    (405, "GET", "/invocations", None, {}),
    (406, "POST", "/invocations", PICTURE, {"Accept": "text/csv"}),
    (
        406,
        "POST",
        "/invocations",
        recordio.frame(RECORD),
        {"Content-Type": "application/x-recordio", "Accept": "image/png"},
    ),
    (413, "POST", "/invocations", bytes(1024 * 1024 + 1), {}),
    (415, "POST", "/invocations", PICTURE, {"Content-Type": "text/csv"}),
    (415, "POST", "/invocations", CUT, {}),
    (415, "POST", "/invocations", b"short", {"Content-Type": "application/x-recordio"}),
]


@pytest.mark.parametrize(("status", "method", "path", "body", "headers"), REFUSED)
def test_refusals(
    server: Server, status: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> None:
    """What cannot be answered gets its status and one JSON object that says why."""
    reply = server.ask(method, path, body, {"Content-Type": "application/x-image", **headers})
    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/json")
    assert list(reply.json) == ["error"]
    assert reply.json["error"]


def test_far_over_the_limit(server: Server) -> None:
    """A client that sends far too much gets its 413, and not a reset connection, whether it tells the length or not."""
    assert server.invoke(bytes(20_000_000)).status == 413
    assert server.invoke(iter([bytes(300_000)] * 50)).status == 413
    assert server.ask("POST", "/nothing", bytes(20_000_000)).status == 404


def test_no_content_type(server: Server) -> None:
    """Without a Content-Type the answer is 415, and says what is taken."""
    reply = server.ask("POST", "/invocations", PICTURE)
    assert reply.status == 415
    assert "application/x-image" in reply.json["error"]


def foreign_model(folder: Path, prefix: str, epoch: int, head: str = "softmax") -> Callable[[bytes], Any]:
    """Write a model directory as plain MXNet would, and return a function that answers as plain MXNet does.

    The picture is squashed to the input's shape and given as RGB 0-255, as AWS's own Neo handler for the built-in does.
    """
    folder.mkdir(parents=True)
    symbol = network(4)
    if head == "logistic":
        label = mx.sym.var("softmax_label")
        symbol = mx.sym.LogisticRegressionOutput(symbol.get_internals()["fc1_output"], label, name="softmax")
    module = mx.mod.Module(symbol, context=mx.cpu())
    module.bind([("data", (1, 3, SIDE, SIDE))], [("softmax_label", (1, 4) if head == "logistic" else (1,))], False)
    arrays = weights(network(4), SIDE)
    module.set_params(*({name[4:]: a for name, a in arrays.items() if name[:3] == k} for k in ("arg", "aux")))
    module.save_checkpoint(str(folder / prefix), epoch)
    (folder / "model-shapes.json").write_text(json.dumps([{"name": "data", "shape": [1, 3, SIDE, SIDE]}]))

    def answer(picture: bytes) -> Any:
        image = Image.open(io.BytesIO(picture)).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
        pixels = mx.nd.array(np.asarray(image).transpose(2, 0, 1)[None], dtype="float32")
        module.forward(mx.io.DataBatch([pixels]), is_train=False)
        return module.get_outputs()[0].asnumpy()[0]

    return answer


@pytest.mark.parametrize(
    ("prefix", "epoch", "head"),
    [("image-classification", 12, "softmax"), ("model", 0, "softmax"), ("image-classification", 3, "logistic")],
    ids=["the built-in's", "AWS's MXNet images'", "the built-in's, multi-label"],
)
def test_models_from_elsewhere(
    start: Callable[..., Server], tmp_path: Path, prefix: str, epoch: int, head: str
) -> None:
    """A model directory in a foreign format is served unchanged, and answers what plain MXNet computes."""
    expected = foreign_model(tmp_path / "model", prefix, epoch, head)
    server = start(1, base=tmp_path)
    answers = []
    for seed, name in enumerate(CLASSES):
        picture = draw(name, seed)
        answers.append(server.invoke(picture).json)
        assert answers[-1] == pytest.approx(expected(picture).tolist(), abs=TOLERANCE)
    assert np.ptp(answers, axis=0).max() > 100 * TOLERANCE


def test_the_override(start: Callable[..., Server], tmp_path: Path) -> None:
    """SAGEMAKER_GLUONCV_PREPROCESSING replaces what is guessed of a foreign model's preprocessing."""
    expected = foreign_model(tmp_path / "model", "image-classification", 1)
    mean, deviation = [123.0, 117.0, 104.0], [2.0, 2.0, 2.0]
    override = {"mean": mean, "deviation": deviation, "resize": SIDE}
    server = start(1, base=tmp_path, SAGEMAKER_GLUONCV_PREPROCESSING=json.dumps(override))
    picture = png()
    image = Image.open(io.BytesIO(picture))
    cut = (image.width - image.height) / 2
    square = image.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=(cut, 0, cut + image.height, image.height))
    pixels = (np.asarray(square, np.float32) - mean) / deviation
    symbol, arguments, auxiliary = mx.model.load_checkpoint(str(tmp_path / "model" / "image-classification"), 1)
    module = mx.mod.Module(symbol, context=mx.cpu())
    module.bind([("data", (1, 3, SIDE, SIDE))], [("softmax_label", (1,))], False)
    module.set_params(arguments, auxiliary)
    module.forward(mx.io.DataBatch([mx.nd.array(pixels.transpose(2, 0, 1)[None])]), is_train=False)
    answer = server.invoke(picture).json
    assert answer == pytest.approx(module.get_outputs()[0].asnumpy()[0].tolist(), abs=TOLERANCE)
    assert answer != pytest.approx(expected(picture).tolist(), abs=100 * TOLERANCE)


def test_an_unknown_model_directory(tmp_path: Path) -> None:
    """`serve` ends with 2 and a log line that lists what was found and what was expected."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights.pt").touch()
    ended = serve(tmp_path)
    assert ended.returncode == 2
    message = json.loads(ended.stdout)["message"]
    assert "Found: weights.pt" in message
    for expected in ("image-classification-symbol.json", "image-classification-NNNN.params", "model-symbol.json"):
        assert expected in message


def test_wrong_settings(base: Path) -> None:
    """`serve` ends with 2 and names every variable that has a wrong value, at once."""
    wrong = {"SAGEMAKER_MODEL_SERVER_WORKERS": "0", "SAGEMAKER_BATCH": "maybe", "SAGEMAKER_CONTAINER_LOG_LEVEL": "info"}
    ended = serve(base, **wrong)
    assert ended.returncode == 2
    message = json.loads(ended.stdout)["message"]
    assert all(f"{name} is {value!r}" in message for name, value in wrong.items())


def test_a_model_that_cannot_be_loaded(base: Path, tmp_path: Path) -> None:
    """`serve` ends, and says so, when the files are there but are no model."""
    (tmp_path / "model").mkdir()
    for file in (base / "model").iterdir():
        (tmp_path / "model" / file.name).write_bytes(b"nonsense" if file.suffix == ".params" else file.read_bytes())
    ended = serve(tmp_path)
    assert ended.returncode
    assert "cannot be loaded" in ended.stdout
