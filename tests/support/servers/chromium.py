"""Chromium paints image files and opens pages: the machine's own if it is recent, or Debian's, from the cache."""

import base64
import fcntl
import html
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from pipeline.errors import LocalStackFailed
from tests.support.servers.preparation import run_to_end

if TYPE_CHECKING:
    from playwright.sync_api import Page

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_LEAST_VERSION = 156
"""what is judged is what this one paints: older ones do not show JPEG XL"""
_CURE = f"install Chromium or Google Chrome {_LEAST_VERSION}, so that one of these is on PATH: {', '.join(_NAMES)}"
_FETCH_WITHIN_S = 240  # each of three steps; a few seconds on a good line
_UNPACK_WITHIN_S = 60
_STATE_VERSION_WITHIN_S = 60
_PAINT_WITHIN_S = 120  # two seconds on an idle machine

_ACTION_WITHIN_S = 60  # a second on an idle machine
_SWITCHES = (
    "--no-sandbox",  # root and containers have none; it shows only what our tests build
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--force-color-profile=srgb",
    "--force-device-scale-factor=1",
)
_PAGE = """<!doctype html><meta charset="utf-8">%s<pre id="painted"></pre><script>
function paint(image) {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext("2d", {colorSpace: "srgb", willReadFrequently: true});
  context.fillStyle = "#ffffff";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0);
  const bytes = context.getImageData(0, 0, canvas.width, canvas.height).data;
  return [canvas.width, canvas.height, btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join(""))];
}
onload = () => {  // fires when each image is loaded or has failed
  const painted = Array.from(document.images, image => image.naturalWidth ? paint(image) : null);
  document.getElementById("painted").textContent = JSON.stringify(painted);
};
</script>"""


class Chromium:
    """A browser that is started for each call."""

    def __init__(self, program: Path, libraries: Sequence[Path] = ()) -> None:
        self._program = program
        self._libraries = libraries

    @cached_property
    def version(self) -> str:
        """Return what it states, like `156.0.8078.108`; "none" if it does not start."""
        try:
            output = run_to_end(
                [self._program, "--version"], within_s=_STATE_VERSION_WITHIN_S, env=self._find_libraries()
            )
        except LocalStackFailed:
            return "none"
        found = re.search(r"\d+(\.\d+)+", output)
        return found[0] if found else "none"

    @property
    def is_recent(self) -> bool:
        return self.version != "none" and int(self.version.partition(".")[0]) >= _LEAST_VERSION

    def paint(self, files: Sequence[bytes]) -> list[Image.Image | None]:
        """Return each file's pixels over white, None for a file that is not shown. Raises: LocalStackFailed."""
        images = (f'<img src="data:image/any;base64,{base64.b64encode(file).decode()}">' for file in files)
        with tempfile.TemporaryDirectory(prefix="zoomin-chromium-", ignore_cleanup_errors=True) as directory:
            page = Path(directory, "page.html")
            page.write_text(_PAGE % "".join(images))
            argv: list[str | Path] = [
                self._program,
                "--headless",
                "--dump-dom",
                *_SWITCHES,
                f"--user-data-dir={directory}/profile",
                page.as_uri(),
            ]
            document = run_to_end(argv, within_s=_PAINT_WITHIN_S, env={"HOME": directory, **self._find_libraries()})
        painted = re.search(r'<pre id="painted">(.+?)</pre>', document, re.DOTALL)
        if painted is None:
            raise LocalStackFailed(f"{self._program} painted nothing: it printed {document[:200]!r}")
        return [picture and _read_picture(*picture) for picture in json.loads(html.unescape(painted[1]))]

    @contextmanager
    def open_page(self) -> "Iterator[Page]":
        """Open an empty page that a test drives; each wait for something on it has a deadline."""
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=self._program,
                args=_SWITCHES,
                env={**os.environ, **self._find_libraries()},
                timeout=_STATE_VERSION_WITHIN_S * 1000,
            )
            try:
                page = browser.new_page(viewport={"width": 1400, "height": 900})
                page.set_default_timeout(_ACTION_WITHIN_S * 1000)
                yield page
            finally:
                browser.close()

    def _find_libraries(self) -> dict[str, str]:
        return {"LD_LIBRARY_PATH": os.pathsep.join(map(str, self._libraries))} if self._libraries else {}


def _read_picture(width: int, height: int, pixels: str) -> Image.Image:
    return Image.frombytes("RGBA", (width, height), base64.b64decode(pixels)).convert("RGB")


def find_chromium(cache: Path, *, notify: Callable[[str], None]) -> Chromium:
    """Return a recent browser on PATH, else Debian's from the cache, fetched if it is missing.

    Raises: LocalStackFailed, with the versions that were found.
    """
    installed = [Chromium(Path(program)) for program in map(shutil.which, _NAMES) if program]
    for browser in installed:
        if browser.is_recent:
            return browser
    try:
        return _find_fetched(cache, notify=notify)
    except LocalStackFailed as error:
        versions = ", ".join(browser.version for browser in installed) or "none"
        raise LocalStackFailed(f"{error.detail}; versions on PATH: {versions}") from error


def _find_fetched(cache: Path, *, notify: Callable[[str], None]) -> Chromium:
    root = _fetch(cache, notify=notify)
    program = root / "usr" / "lib" / "chromium" / "chromium"  # the script in usr/bin would look outside of `root`
    browser = Chromium(program, sorted({file.parent for file in root.rglob("*.so*")}))
    if not browser.is_recent:
        shutil.rmtree(root)
        raise LocalStackFailed(f"the package chromium of this system has the version {browser.version}; {_CURE}")
    return browser


def _fetch(cache: Path, *, notify: Callable[[str], None]) -> Path:
    """Unpack Debian's package, with the libraries that are not installed, below `cache`; nothing is installed.

    Raises: LocalStackFailed.
    """
    root = cache / "chromium"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "chromium.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several workers of pytest ask at the same time, and one fetches
        if not root.exists():
            if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
                raise LocalStackFailed(f"no Chromium here, and no apt-get to fetch it; {_CURE}")
            notify("Fetching Chromium (120 MB, once)")
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                _unpack(_download(Path(scratch)), Path(scratch, "root"))
                Path(scratch, "root").rename(root)
    return root


def _download(scratch: Path) -> list[Path]:
    """Download what `apt-get install chromium` would install, with lists and archives of our own: without root."""
    for name in ("lists", "archives"):
        (scratch / name / "partial").mkdir(parents=True)
    options = {
        "Dir::State::lists": scratch / "lists",
        "Dir::Cache": scratch,
        "Dir::Cache::archives": scratch / "archives",
        "Debug::NoLocking": 1,
        "APT::Sandbox::User": "root",  # as root, apt would download as a user who cannot read our directory
        "Acquire::Retries": 2,
        "Acquire::http::Timeout": 30,
        "Acquire::https::Timeout": 30,
    }
    apt = ["apt-get", "-qq", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
    run_to_end([*apt, "update"], within_s=_FETCH_WITHIN_S)
    install = ("install", "--yes", "--no-install-recommends", "--download-only", "chromium")
    run_to_end([*apt, *install], within_s=_FETCH_WITHIN_S)
    return sorted((scratch / "archives").glob("*.deb"))


def _unpack(archives: Sequence[Path], root: Path) -> None:
    for archive in archives:
        run_to_end(["dpkg-deb", "--extract", archive, root], within_s=_UNPACK_WITHIN_S)
