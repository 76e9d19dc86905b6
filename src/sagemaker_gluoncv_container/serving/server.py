"""Starts the model server: checks settings and model, then becomes gunicorn."""

import logging
import os
import sys
from pathlib import Path
from typing import NoReturn

from .. import artifact
from ..contract import ServingSettings
from ..errors import ClientError

logger = logging.getLogger(__name__)


def main(gunicorn_config: Path) -> NoReturn:
    """Replace this process by gunicorn; exit with 2 if the user has to mend something first."""
    logging.basicConfig(level=logging.INFO, format="[%(asctime)s %(levelname)s] %(message)s", stream=sys.stdout)
    try:
        settings = ServingSettings.from_environment()
        artifact.load(settings.model_dir)
    except ClientError as error:
        logger.error("ClientError: %s", error)
        sys.exit(ClientError.exit_code)
    # gunicorn takes our place, and our PID: signals reach it.
    gunicorn = [sys.executable, "-m", "gunicorn", "--config", str(gunicorn_config)]
    os.execv(sys.executable, [*gunicorn, f"{__package__}.app:create_app()"])
