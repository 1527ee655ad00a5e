"""The browser of the tests is one that shows what is judged; an older one is passed over."""

from pathlib import Path

import pytest

from pipeline.errors import LocalStackFailed
from tests.support.servers.chromium import Chromium, find_chromium


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on PATH; without apt-get nothing is fetched."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def write_program(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"#!/bin/sh\n{line}\n")
    file.chmod(0o755)


def find(tmp_path: Path) -> Chromium:
    return find_chromium(tmp_path / "cache", notify=print)


def test_the_first_recent_browser_is_taken(programs: Path, tmp_path: Path) -> None:
    write_program(programs / "chromium", "exit 1")
    write_program(programs / "chromium-browser", "echo Chromium 155.0.9.1")
    write_program(programs / "google-chrome", "echo Google Chrome 156.0.1.2")
    assert find(tmp_path).version == "156.0.1.2"


def test_without_a_recent_one_the_versions_on_path_are_named(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(LocalStackFailed, match=r"no apt-get to fetch it; .* versions on PATH: none$"):
        find(tmp_path)
    write_program(programs / "chromium", "echo Chromium 99.0.9.1 built on Debian")
    write_program(programs / "google-chrome", "exit 1")
    with pytest.raises(LocalStackFailed, match=r"Google Chrome 156, .* versions on PATH: 99\.0\.9\.1, none$"):
        find(tmp_path)


def test_an_old_package_is_fetched_anew_the_next_time(programs: Path, tmp_path: Path) -> None:
    fetched = tmp_path / "cache" / "chromium"
    write_program(fetched / "usr/lib/chromium/chromium", "echo Chromium 157.0.0.1")
    assert find(tmp_path).version == "157.0.0.1"
    write_program(fetched / "usr/lib/chromium/chromium", "echo Chromium 120.0.0.1")
    with pytest.raises(LocalStackFailed, match=r"the package chromium of this system has the version 120\.0\.0\.1"):
        find(tmp_path)
    assert not fetched.exists()
    assert not list(programs.iterdir())
