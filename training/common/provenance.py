"""Which code made a figure that is kept: the commit of the checkout that runs."""

import subprocess
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
UNKNOWN = "unknown"
CODE = ("pipeline", "training")


def read_commit(checkout: Path) -> str:
    """The commit of the code that runs; with changes to it since, it says so."""

    def git(*asked: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["git", *asked], cwd=checkout, capture_output=True, text=True, check=False)

    try:
        head = git("rev-parse", "HEAD")
    except FileNotFoundError:
        return UNKNOWN
    if head.returncode:
        return UNKNOWN
    changed = git("diff", "--quiet", "HEAD", "--", *CODE).returncode
    return f"{head.stdout.strip()}{'-dirty' if changed else ''}"
