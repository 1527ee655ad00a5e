"""Runs the programs that fetch and build what tests need."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pipeline.errors import LocalStackFailed


def run_to_end(argv: Sequence[str | Path], *, within_s: float, env: Mapping[str, str] | None = None) -> str:
    """Return what a program prints, and add `env` to its environment. Raises: LocalStackFailed."""
    words = [str(word) for word in argv]
    try:
        ended = subprocess.run(
            words, check=True, env={**os.environ, **(env or {})}, timeout=within_s, capture_output=True, text=True
        )
    except subprocess.CalledProcessError as error:
        raise LocalStackFailed(f"{words} failed:\n{error.stderr[-2000:]}") from error
    except (subprocess.SubprocessError, OSError) as error:
        raise LocalStackFailed(f"{words} failed: {error}") from error
    return ended.stdout
