"""Starts the model server: checks settings and model, then runs gunicorn."""

import logging.config
import resource
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

from gunicorn.app import wsgiapp

from .. import contract, devices, machine, model_folder
from ..errors import ClientError
from . import logs
from .settings import ServingSettings

logger = logging.getLogger(__name__)


def main(script: str) -> NoReturn:
    """Run gunicorn to its end, with the settings that lie beside the script.

    Exit with 2 if the user has to fix something first.
    """
    logging.config.dictConfig(logs.configuration(logging.INFO))
    try:
        settings = ServingSettings.from_environment()
        devices.check()
        _check_processes(settings)
        if not settings.multi_model:
            model_folder.load(settings.model_dir, settings.preprocessing)
        # gunicorn and Python's own modules take this one, and look no further.
        tempfile.tempdir = str(_temporary_folder())
    except ClientError as error:
        logger.error("ClientError: %s", error)
        sys.exit(ClientError.exit_code)
    # Batches come in many sizes: cuDNN would try each new one out while a client waits.
    contract.set_gpu_defaults(0)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    # A connection is a file: the usual 1,024 are fewer than gunicorn is told to take.
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    # In this process, whose PID gets the platform's signals, and which has read most of the modules already.
    config = Path(script).resolve().with_name("gunicorn.conf.py")
    sys.argv = ["gunicorn", "--config", str(config), f"{__package__}.http.app:create_app()"]
    sys.exit(wsgiapp.run())


def _check_processes(settings: ServingSettings) -> None:
    """Raise ClientError if this container may not have the processes and threads that serving takes."""
    available = machine.processes_available()
    # The front; of each worker its process, what computes, and the thread that OpenVINO waits in; a lone picture's.
    needed = 1 + settings.workers * (2 + settings.compute_threads) + settings.lone_threads
    if available is not None and available < needed:
        raise ClientError(
            f"This container may start {available} more processes and threads",
            f"The server needs {needed} for {settings.workers} workers",
            f"Raise --pids-limit, or set {contract.WORKERS.name} to a smaller number",
        )


def _temporary_folder() -> Path:
    folder = machine.writable_folder()
    if folder is None:
        raise ClientError(
            "There is no folder to write in",
            "The server keeps its heartbeat in a file, and every file system of this container is read-only or full",
            "Mount one, for example with --tmpfs /tmp",
        )
    return folder
