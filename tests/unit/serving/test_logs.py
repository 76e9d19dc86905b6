"""logs: one JSON object a line, whatever is logged."""

import json
import logging

import pytest

from sagemaker_gluoncv_container.serving import logs


def line(*arguments: object, fields: dict[str, object] | None = None, error: BaseException | None = None) -> str:
    """Return the line of a record."""
    exception = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("name", logging.WARNING, "file.py", 1, str(arguments[0]), arguments[1:], exception)
    if fields:
        record.fields = fields
    return logs.JsonFormatter().format(record)


@pytest.mark.parametrize("message", ["plain", 'quotes "and" \\', "two\nlines", "umlaut ü \u2028", "\udcff"])
def test_any_message(message: str) -> None:
    """A message of any characters is one line of JSON."""
    text = line("%s", message)
    assert "\n" not in text
    assert json.loads(text)["message"] == message
    assert json.loads(text)["level"] == "WARNING"


def test_fields() -> None:
    """What is said of a request stands beside the message."""
    assert json.loads(line("m", fields={"status": 200, "ms": 1.5})).items() >= {"status": 200, "ms": 1.5}.items()


def test_a_traceback() -> None:
    """A traceback stays in its line."""
    try:
        raise ValueError("why")
    except ValueError as error:
        text = line("it failed", error=error)
    assert "\n" not in text
    assert "ValueError: why" in json.loads(text)["traceback"]
