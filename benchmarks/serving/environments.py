"""A virtual environment for each peer, kept between runs, and made again when its requirements change."""

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent


def python(name: str, work: Path) -> Path:
    """Return the Python of the environment with requirements/<name>.txt. Raises RuntimeError if pip cannot make it."""
    requirements = FOLDER / "requirements" / f"{name}.txt"
    wanted = hashlib.sha256(requirements.read_bytes()).hexdigest()
    place = work / "environments" / name
    made = place / "made"
    if not (made.is_file() and made.read_text() == wanted):
        print(f"Making the environment of {name}", flush=True)
        shutil.rmtree(place, ignore_errors=True)
        # Not this virtual environment's own Python: the new one would go with it.
        subprocess.run([sys._base_executable, "-m", "venv", str(place)], check=True)
        install = [str(place / "bin" / "pip"), "install", "--quiet", "--requirement", str(requirements)]
        run = subprocess.run(install, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if run.returncode:
            raise RuntimeError(f"{requirements} cannot be installed: {run.stdout.strip().splitlines()[-1]}")
        made.write_text(wanted)
    return place / "bin" / "python"


def run(name: str, work: Path, script: str, *arguments: str) -> None:
    """Run a script of this folder in an environment. Raises RuntimeError with its last line if it fails."""
    command = [str(python(name, work)), str(FOLDER / script), *arguments]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if ended.returncode:
        raise RuntimeError(f"{script} failed: {ended.stdout.strip().splitlines()[-1]}")
