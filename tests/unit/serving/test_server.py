"""serving.server: what is checked before gunicorn takes over; integration tests show how it runs."""

import json
from pathlib import Path

import pytest

from sagemaker_gluoncv_container import machine
from sagemaker_gluoncv_container.serving import server


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, "ClientError: {base}/model holds no model. Found: nothing. Expected: "),
        (
            {"SAGEMAKER_BIND_TO_PORT": "x"},
            "ClientError: SAGEMAKER_BIND_TO_PORT is 'x'. It must be a whole number from 1 to 65535",
        ),
    ],
    ids=["no model", "wrong setting"],
)
def test_refusal(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    environ: dict[str, str],
    message: str,
) -> None:
    """What the user has to fix ends the container with 2, and the log says what it is."""
    for name, value in {"SAGEMAKER_BASE_DIR": str(tmp_path), **environ}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        server.main(str(tmp_path / "serve"))
    assert caught.value.code == 2
    line = json.loads(capsys.readouterr().out)
    assert line["level"] == "ERROR"
    assert line["message"].startswith(message.format(base=tmp_path))


def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return the line with which a multi-model server, which needs no model, refuses to start."""
    monkeypatch.setenv("SAGEMAKER_BASE_DIR", str(tmp_path))
    monkeypatch.setenv("SAGEMAKER_MULTI_MODEL", "true")
    with pytest.raises(SystemExit) as caught:
        server.main(str(tmp_path / "serve"))
    assert caught.value.code == 2
    return str(json.loads(capsys.readouterr().out)["message"])


def test_too_few_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where the workers could not all be started, nothing is, and the message says what to change."""
    monkeypatch.setattr(machine, "processes_available", lambda: 3)
    message = refused(tmp_path, monkeypatch, capsys)
    assert message.startswith("ClientError: This container may start 3 more processes and threads. The server needs ")
    assert "SAGEMAKER_MODEL_SERVER_WORKERS" in message


def test_nowhere_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any writable folder the message says what to mount."""
    monkeypatch.setattr(machine, "writable_folder", lambda: None)
    message = refused(tmp_path, monkeypatch, capsys)
    assert message.startswith("ClientError: There is no folder to write in. ")
    assert "--tmpfs /tmp" in message
