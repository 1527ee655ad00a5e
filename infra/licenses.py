"""`python infra/licenses.py [SET]`: list the licenses of a pinned set, read from the installed packages.

Exits 1 if a package names no license: look it up and add it to LOOKED_UP.
"""
# ruff: noqa: T201 - a command speaks on stdout

import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

SERVED = Path(__file__).parents[1] / "requirements" / "serve-cpu.txt"
CLASSIFIER = "License :: OSI Approved :: "
LOOKED_UP = {"cuda-toolkit": "LicenseRef-NVIDIA-Proprietary"}  # depends on nvidia-* packages and has no files


def main(arguments: list[str]) -> int:
    pinned = Path(arguments[0]) if arguments else SERVED
    absent, unclear = [], []
    for name in re.findall(r"^([a-z0-9.-]+)==", pinned.read_text(), re.MULTILINE):
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            absent.append(name)
            continue
        found = LOOKED_UP.get(name) or next(read_licenses(package), None)
        unclear += [] if found else [name]
        print(f"{name}\t{package.version}\t{found or 'UNKNOWN'}")
    if absent:
        print(f"not installed here, so not read: {', '.join(absent)}", file=sys.stderr)
    if unclear:
        print(f"no license named by: {', '.join(unclear)}", file=sys.stderr)
    return 1 if unclear else 0


def read_licenses(package: metadata.Distribution) -> Iterator[str]:
    """Yield the best source first: SPDX expression, classifiers, the free field, the heading of the license's text."""
    about = package.metadata
    if about["License-Expression"]:
        yield about["License-Expression"]
    classified = [c.removeprefix(CLASSIFIER) for c in about.get_all("Classifier", []) if c.startswith(CLASSIFIER)]
    if classified:
        yield ", ".join(classified)
    texts = [about["License"] or ""]
    texts += [file.read_text() for file in package.files or [] if re.match("licen[cs]e", file.name, re.IGNORECASE)]
    for text in texts:
        if text.strip() and text.strip() != "UNKNOWN":
            yield text.strip().splitlines()[0].strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
