"""refusals: each of gunicorn's errors has a status and a sentence."""

import json

import pytest
from gunicorn.http import errors as http
from werkzeug.exceptions import NotFound

from sagemaker_gluoncv_container.errors import Overloaded, PayloadTooLarge
from sagemaker_gluoncv_container.serving.http import refusals
from sagemaker_gluoncv_container.serving.http.connection import TooSlow

PARSING = [each for each in vars(http).values() if isinstance(each, type) and issubclass(each, http.ParseException)]


@pytest.mark.parametrize("kind", PARSING, ids=lambda kind: kind.__name__)
def test_every_error_of_the_parser(kind: type[Exception]) -> None:
    """Whatever the parser raises is the client's fault, with a 4xx or 501 or 505, and said in whole sentences."""
    status, message = refusals.of(kind.__new__(kind)) or (0, "")
    assert 400 <= status < 500 or status in (501, 505)
    assert message[0].isupper()
    assert message.endswith(".")


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (http.LimitRequestLine(9000, 4094), 414, "too long"),
        (http.LimitRequestHeaders("x"), 431, "headers"),
        (http.ExpectationFailed("x"), 417, "Expect"),
        (http.UnsupportedTransferCoding("x"), 501, "Transfer-Encoding"),
        (http.InvalidChunkSize(b"zz"), 400, "It is b'zz'"),
        (http.InvalidHeader("CONTENT-LENGTH"), 400, "It is 'CONTENT-LENGTH'"),
        (http.InvalidHeaderName("a" * 5000), 400, "aaa..."),
        (http.InvalidRequestLine("\ud800"), 400, "not HTTP"),
        (http.NoMoreData(), 400, "ended too early"),
        (TooSlow("The body came at less than 4096 bytes per second"), 408, "less than 4096 bytes"),
        (PayloadTooLarge("The body is over 25 MiB"), 413, "25 MiB"),
        (NotFound(), 404, "not found"),
    ],
)
def test_status_and_message(error: Exception, status: int, text: str) -> None:
    """The status is HTTP's own, the message says what is wrong, and shows no more of a request than fits."""
    found = refusals.of(error)
    assert found
    assert found[0] == status
    assert text in found[1]
    assert len(found[1]) < 300


def test_our_own_fault() -> None:
    """Any other error is not the client's fault."""
    assert refusals.of(ZeroDivisionError()) is None


@pytest.mark.parametrize("retry", [True, False])
def test_the_answer(retry: bool) -> None:
    """The answer is whole: JSON of the length that it says, the end of the connection, and when to ask again."""
    head, _, body = refusals.response(503, 'Ein "ü".', retry).partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    assert lines[0] == "HTTP/1.1 503 Service Unavailable"
    assert {"Content-Type: application/json", f"Content-Length: {len(body)}", "Connection: close"} <= set(lines)
    assert ("Retry-After: 1" in lines) is retry
    assert json.loads(body) == {"error": 'Ein "ü".'}


def test_who_is_to_try_again() -> None:
    """Only what passes by itself is to be asked again."""
    assert refusals.wants_retry(Overloaded("x"))
    assert not refusals.wants_retry(PayloadTooLarge("x"))
