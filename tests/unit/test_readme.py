"""README's map of files says of each file what the file says of itself."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "worker", "training")


def said_by_the_files() -> dict[str, str]:
    """The first sentence of each module, without those that only mark a package."""
    paths = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py") if path.name != "__init__.py")
    docs = {path.relative_to(ROOT).as_posix(): ast.get_docstring(ast.parse(path.read_text())) for path in paths}
    return {name: (doc or "").partition("\n")[0].rstrip(".") for name, doc in docs.items()}


def test_the_map_has_each_file_with_its_one_job() -> None:
    lines = re.findall(
        r"^\| `((?:pipeline|worker|training)/\S+\.py)` \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    assert dict(lines) == said_by_the_files()
    assert [name for name, _ in lines] == sorted(
        (name for name, _ in lines), key=lambda n: (PACKAGES.index(n.split("/")[0]), n)
    )
