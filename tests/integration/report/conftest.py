"""A headless Chromium that reports are opened in."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any

import pytest

_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
# The report has no script and forbids them, so a copy of it is measured.
_MEASURE = """<script>
const rectangles = [...document.querySelectorAll("svg, img")].map(each => {
  const box = each.getBoundingClientRect();
  return {name: each.alt || each.querySelector("title").textContent, loaded: each.naturalWidth !== 0,
          box: [box.left, box.top, box.right, box.bottom]};
});
const size = [document.documentElement.scrollWidth, document.documentElement.scrollHeight];
document.body.setAttribute("data-measured", JSON.stringify({rectangles, size}));
</script>"""
_SECONDS = 60


@dataclass(frozen=True)
class Browser:
    """Runs Chromium, each time with an empty profile in `folder`."""

    command: str
    folder: Path

    def _run(self, page: Path, width: int, height: int, *flags: str) -> str:
        profile = self.folder / "profile"
        shutil.rmtree(profile, ignore_errors=True)
        command = [self.command, *_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}", *flags]
        # It writes into the home directory whatever its profile is.
        home = {name: str(self.folder) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME")}
        run = subprocess.run(
            [*command, page.as_uri()],
            env={**os.environ, **home},
            capture_output=True,
            text=True,
            check=True,
            timeout=_SECONDS,
        )
        return run.stdout

    def dom(self, page: Path) -> str:
        """Return the document as the browser understood it."""
        return self._run(page, 1200, 800, "--dump-dom")

    def measure(self, page: Path, width: int) -> dict[str, Any]:
        """Return the boxes, in pixels, of all charts and pictures in a window of that width, and the page's size."""
        copy = self.folder / "measured.html"
        html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page.read_text())
        copy.write_text(html.replace("</body>", f"{_MEASURE}</body>"))
        match = re.search(r'data-measured="([^"]*)"', self._run(copy, width, 800, "--dump-dom"))
        assert match is not None
        measured: dict[str, Any] = json.loads(unescape(match[1]))
        return measured

    def screenshot(self, page: Path, width: int, height: int, *flags: str) -> Path:
        """Return the file of a screenshot."""
        path = self.folder / "screenshot.png"
        path.unlink(missing_ok=True)
        self._run(page, width, height, f"--screenshot={path}", *flags)
        return path

    def printed(self, page: Path) -> Path:
        """Return the file of the page as a PDF."""
        path = self.folder / "page.pdf"
        path.unlink(missing_ok=True)
        self._run(page, 1200, 800, f"--print-to-pdf={path}", "--no-pdf-header-footer")
        return path


@pytest.fixture
def browser(tmp_path: Path, require: Callable[[object, str], None]) -> Browser:
    """Return Chromium."""
    command = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), "")
    require(command, "Chromium is not installed (apt-get install chromium): the report was not opened")
    folder = tmp_path / "browser"
    folder.mkdir()
    return Browser(command, folder)
