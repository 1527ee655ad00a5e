"""`python -m tests.support.reference` (or `make docs`): write docs/reference/."""

from tests.support.paths import ROOT
from tests.support.reference.pages import PAGES

DIRECTORY = ROOT / "docs" / "reference"


def main() -> None:
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    for name, build in PAGES.items():
        (DIRECTORY / name).write_text(build())


if __name__ == "__main__":
    main()
