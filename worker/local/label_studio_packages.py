"""Label Studio's packages in an environment of their own, with a migrated database, made once below the cache.

Its packages do not fit beside ours. The directory is named by the digest of the pinned requirements; the file `ready`
in it is written last, so an interrupted run is made anew.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from pipeline.errors import LocalStackFailed
from worker.local.server import Notify

REQUIREMENTS = Path(__file__).parents[2] / "requirements" / "label-studio.txt"

_INSTALL_WITHIN_S = 900.0  # half a minute on a good line
_MIGRATE_WITHIN_S = 600.0  # half a minute on an idle machine
_LOCK_WITHIN_S = _INSTALL_WITHIN_S + _MIGRATE_WITHIN_S
_POLL_INTERVAL_S = 0.2
_NO_PROXY = "127.0.0.1,localhost"
_CLOSED_PORT = "http://127.0.0.1:9"  # no call leaves the machine: tips and version checks have no switch of their own


@dataclass(frozen=True, slots=True)
class LabelStudioPackages:
    """An environment with Label Studio, and a data directory without users whose migrations are done."""

    root: Path

    @property
    def python(self) -> Path:
        return self.root / "bin" / "python"

    @property
    def migrated_data(self) -> Path:
        return self.root / "migrated"

    @property
    def is_ready(self) -> bool:
        return self._mark.exists() and self.python.exists()

    def mark_ready(self) -> None:
        self._mark.touch()

    @property
    def _mark(self) -> Path:
        return self.root / "ready"


def install_label_studio(cache: Path, *, notify: Notify, requirements: Path = REQUIREMENTS) -> LabelStudioPackages:
    """Return the environment of these requirements below `cache`, and make it if it is missing or incomplete.

    Raises: LocalStackFailed.
    """
    if not requirements.exists():
        raise LocalStackFailed(f"{requirements} is missing: start Label Studio from a checkout of the project")
    digest = hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
    packages = LabelStudioPackages(cache.resolve() / f"label-studio-{digest}")
    cache.mkdir(parents=True, exist_ok=True)
    with packages.root.with_suffix(".lock").open("w") as lock:
        _acquire(lock, notify)
        if not packages.is_ready:
            shutil.rmtree(packages.root, ignore_errors=True)
            notify("Installing Label Studio into the cache (1 GB, once; about two minutes)")
            _install(packages, requirements, lock)
            _migrate(packages, lock)
            packages.mark_ready()
    return packages


def build_clean_environment(data: Path) -> dict[str, str]:
    """Build the variables of a Label Studio process on the data directory `data`; it inherits none of ours.

    Label Studio also reads names like USERNAME, HOST, PORT and AWS_*, which machines and clusters set for others.
    """
    return {
        "PATH": os.defpath,
        "HOME": str(data),
        "LANG": "C.UTF-8",
        "LABEL_STUDIO_BASE_DATA_DIR": str(data),
        "COLLECT_ANALYTICS": "False",
        "LATEST_VERSION_CHECK": "False",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _CLOSED_PORT),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), _NO_PROXY),
    }


def _acquire(lock: IO[str], notify: Notify) -> None:
    """Lock the file; the programs that we start share the lock, so it outlives us as long as one of them runs."""
    deadline = time.monotonic() + _LOCK_WITHIN_S
    announced = False
    while True:
        try:
            return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise LocalStackFailed(f"another process has held {lock.name} for {_LOCK_WITHIN_S:.0f} s") from None
        if not announced:
            notify("Waiting for another process that installs Label Studio")
            announced = True
        time.sleep(_POLL_INTERVAL_S)


def _install(packages: LabelStudioPackages, requirements: Path, lock: IO[str]) -> None:
    beside_python = Path(sysconfig.get_path("scripts"), "uv")
    uv = str(beside_python) if beside_python.exists() else shutil.which("uv")
    hashed: list[str | Path] = ["--quiet", "--require-hashes", "--requirement", requirements]
    if uv is not None:
        make: list[str | Path] = [uv, "venv", "--quiet", "--python", sys.executable, packages.root]
        install: list[str | Path] = [uv, "pip", "install", "--python", packages.python, *hashed]
    else:
        make = [sys.executable, "-m", "venv", packages.root]
        install = [packages.python, "-m", "pip", "install", *hashed]
    for argv in (make, install):
        _run_to_end(argv, lock=lock, within_s=_INSTALL_WITHIN_S)


def _migrate(packages: LabelStudioPackages, lock: IO[str]) -> None:
    # Every command migrates first; this one then looks for a user, whom it may miss.
    packages.migrated_data.mkdir()
    environment = build_clean_environment(packages.migrated_data) | {"SECRET_KEY": "signs nothing: no user is made"}
    argv: list[str | Path] = [packages.python, "-m", "label_studio.server", "user"]
    _run_to_end(argv, lock=lock, within_s=_MIGRATE_WITHIN_S, env=environment)


def _run_to_end(
    argv: Sequence[str | Path], *, lock: IO[str], within_s: float, env: Mapping[str, str] | None = None
) -> None:
    """Run a program in the cache, away from the configuration of a project. Raises: LocalStackFailed."""
    words = [str(word) for word in argv]
    failure = "Label Studio could not be installed"
    try:
        subprocess.run(
            words,
            check=True,
            capture_output=True,
            text=True,
            cwd=Path(lock.name).parent,
            env=env,
            timeout=within_s,
            pass_fds=[lock.fileno()],
        )
    except subprocess.CalledProcessError as error:
        raise LocalStackFailed(
            f"Label Studio could not be installed: {words} failed:\n{error.stderr[-2000:]}"
        ) from error
    except (subprocess.SubprocessError, OSError) as error:
        raise LocalStackFailed(f"{failure}: {error}") from error
