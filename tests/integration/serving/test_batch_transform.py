"""Promise: batch transform gets a line for each record, in order, whichever way the platform sends the records."""

import base64
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from draw_pictures import CLASSES, draw

from sagemaker_gluoncv_container.data import recordio
from sagemaker_gluoncv_container.data.recordio import ImageRecord
from support.model_server import Server
from support.processes import ROOT, wait_until

RECORDS = 341
RECORDIO = "application/x-recordio"
# A picture's answer may differ in the last bits with the batch in which it was computed: oneDNN splits work by size.
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def server(start: Callable[..., Server]) -> Server:
    """Return a server in batch transform, with bodies of any length."""
    return start(2, SAGEMAKER_BATCH="true", SAGEMAKER_MAX_PAYLOAD_IN_MB="0", OMP_NUM_THREADS="1")


@pytest.fixture(scope="module")
def pictures() -> list[bytes]:
    """Return 341 drawn pictures, or those of the clothing data's validation channel where they are at hand."""
    files = sorted((ROOT.parent / "shared" / "data" / "clothing-small" / "validation").glob("*/*.jpg"))
    if len(files) == RECORDS:
        return [file.read_bytes() for file in files]
    names = list(CLASSES)
    return [draw(names[seed % len(names)], seed) for seed in range(RECORDS)]


@pytest.fixture(scope="module")
def alone(server: Server, pictures: list[bytes]) -> list[list[float]]:
    """Return the answers to the pictures, each asked for alone."""
    connection = server.connect()
    replies = [server.invoke(picture, connection=connection) for picture in pictures]
    connection.close()
    assert {reply.status for reply in replies} == {200}
    return [reply.json["prediction"] for reply in replies]


def rec(pictures: list[bytes]) -> bytes:
    """Return pictures as the bytes of a .rec file."""
    return b"".join(recordio.frame(recordio.pack(ImageRecord((7.0,), n, data))) for n, data in enumerate(pictures))


def predictions(body: bytes) -> list[object]:
    """Return the predictions in JSON Lines."""
    return [json.loads(line)["prediction"] for line in body.splitlines()]


def assert_equal(got: list[object], expected: list[list[float]]) -> None:
    """Compare answers, but for the last bits."""
    assert len(got) == len(expected)
    for one, other in zip(got, expected, strict=True):
        assert one == pytest.approx(other, abs=TOLERANCE)


def test_a_whole_file(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """A .rec of 341 records in one request comes back as 341 lines in order, equal to 341 single requests."""
    reply = server.invoke(rec(pictures), RECORDIO)
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/jsonlines")
    assert_equal(predictions(reply.body), alone)


def test_in_chunks(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """With SAGEMAKER_MAX_PAYLOAD_IN_MB=0 the body may come in chunks, with no length told beforehand."""
    body = rec(pictures)
    chunks = (body[start : start + 10_000] for start in range(0, len(body), 10_000))
    reply = server.invoke(chunks, RECORDIO)
    assert reply.status == 200
    assert_equal(predictions(reply.body), alone)


def test_a_bad_record(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """A record that is not a picture yields an error in its place, the others their answers."""
    reply = server.invoke(rec([pictures[0], b"no picture", pictures[2]]), RECORDIO)
    lines = [json.loads(line) for line in reply.body.splitlines()]
    assert reply.status == 200
    assert [list(line) for line in lines] == [["prediction"], ["error"], ["prediction"]]
    assert "The picture cannot be read" in lines[1]["error"]
    assert_equal([lines[0]["prediction"], lines[2]["prediction"]], [alone[0], alone[2]])


def test_a_cut_file(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """Of a file that was cut, the whole records are answered, and one last line says what is wrong."""
    reply = server.invoke(rec(pictures[:3])[:-100], RECORDIO)
    *whole, last = [json.loads(line) for line in reply.body.splitlines()]
    assert_equal([line["prediction"] for line in whole], alone[:2])
    assert "The RecordIO body is damaged" in last["error"]


def test_a_single_record(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """With SingleRecord the platform strips the framing; the one record gets the one answer."""
    reply = server.invoke(recordio.pack(ImageRecord((7.0,), 0, pictures[5])), RECORDIO)
    assert reply.status == 200
    assert_equal([reply.json["prediction"]], [alone[5]])


def test_json_lines(server: Server, pictures: list[bytes], alone: list[list[float]]) -> None:
    """JSON Lines with base64 pictures are answered line by line, which JoinSource needs."""
    lines = [json.dumps({"image": base64.b64encode(each).decode(), "id": 1}) for each in pictures[:9]]
    lines[4] = '{"id": 2}'
    reply = server.invoke("\n".join(lines), "application/jsonlines", headers={"Accept": "application/jsonlines"})
    answers = [json.loads(line) for line in reply.body.splitlines()]
    assert "A line holds no picture" in answers.pop(4)["error"]
    assert_equal([answer["prediction"] for answer in answers], alone[:4] + alone[5:9])


def test_one_picture(server: Server, pictures: list[bytes]) -> None:
    """A file that is one picture gets the built-in's `{"prediction": [...]}`."""
    assert list(server.invoke(pictures[0], "image/jpeg").json) == ["prediction"]


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, {"MaxConcurrentTransforms": 4, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 25}),
        (
            {
                "SAGEMAKER_BATCH_STRATEGY": "MULTI_RECORD",
                "SAGEMAKER_MAX_CONCURRENT_TRANSFORMS": "16",
                "SAGEMAKER_MAX_PAYLOAD_IN_MB": "0",
            },
            {"MaxConcurrentTransforms": 16, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6},
        ),
    ],
    ids=["unset", "set"],
)
def test_execution_parameters(
    start: Callable[..., Server], variables: dict[str, str], expected: dict[str, object]
) -> None:
    """/execution-parameters follows the workers and the job's settings; n requests of n MB come to 100 at most."""
    parameters = start(2, **variables).ask("GET", "/execution-parameters").json
    assert parameters == expected
    assert parameters["MaxConcurrentTransforms"] * parameters["MaxPayloadInMB"] <= 100


def test_a_file_among_others_requests(start: Callable[..., Server], pictures: list[bytes]) -> None:
    """A .rec that has begun is answered whole while single pictures keep the queue full, and these get their turns."""
    server = start(1, SAGEMAKER_MODEL_JOB_QUEUE_SIZE="4", SAGEMAKER_GLUONCV_BATCH_SIZE="2")
    with ThreadPoolExecutor(9) as pool:
        file = pool.submit(server.invoke, rec(pictures), RECORDIO)
        wait_until(lambda: server.metrics()["batch_size_count"] >= 1, 30, "the file has begun")
        singles = list(pool.map(lambda _: server.invoke(pictures[0]).status, range(200)))
        reply = file.result()
    assert reply.status == 200
    assert len(predictions(reply.body)) == RECORDS
    assert set(singles) == {200, 503}
