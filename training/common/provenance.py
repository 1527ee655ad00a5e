"""Name the code that produced a recorded metric by the commit of its checkout."""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
UNKNOWN = "unknown"
CODE = ("pipeline", "training")


def read_commit(checkout: Path) -> str:
    """Read the commit of the running code; `-dirty` is appended if the code was changed since."""

    def run_git(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=False)

    try:
        head = run_git("rev-parse", "HEAD")
    except FileNotFoundError:
        return UNKNOWN
    if head.returncode:
        return UNKNOWN
    changed = run_git("diff", "--quiet", "HEAD", "--", *CODE).returncode
    return f"{head.stdout.strip()}{'-dirty' if changed else ''}"
