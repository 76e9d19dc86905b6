"""Plain Docker's health check: `python3 -m sagemaker_gluoncv_container.serving.health`, in a running container.

SageMaker sends its own pings and ignores it.
"""

import http.client
import sys
from pathlib import Path

from .settings import ServingSettings

# Under the --timeout of HEALTHCHECK, so that the answer is ours.
TIMEOUT_SECONDS = 4


def serves(command: bytes) -> bool:
    """Return whether a command line, as in /proc/PID/cmdline, is the server's: `serve`, then gunicorn in its place."""
    words = {Path(word.decode(errors="replace")).name for word in command.split(b"\0")}
    return bool(words & {"serve", "gunicorn"})


def problem(port: int) -> str | None:
    """Return what is wrong with the server on a port of this machine, or None."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/ping")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"/ping on port {port} does not answer: {error or type(error).__name__}"
    finally:
        connection.close()
    return None if status == http.HTTPStatus.OK else f"/ping on port {port} answers {status}"


def main(init: Path = Path("/proc/1/cmdline")) -> int:
    """Return 0 if the first process is not a server, or if it answers a ping; else say what is wrong and return 1."""
    if not serves(init.read_bytes()):
        return 0
    found = problem(ServingSettings.from_environment().port)
    if found:
        sys.stdout.write(f"{found}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
