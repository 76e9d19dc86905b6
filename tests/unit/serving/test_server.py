"""serving.server: what is checked before gunicorn takes over; integration tests show how it runs."""

import json
from pathlib import Path

import pytest

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
