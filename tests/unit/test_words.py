"""The words and sizes of the code: verbs, names that hold something, openings that are no question, short files.

`python -m tests.support.bars FOLDER` lists what offends below a folder.
"""

import pytest

from tests.support.bars import (
    PACKAGES,
    count_shared_names,
    list_functions,
    list_openings,
    measure_empty_names,
    measure_verbs,
    parse,
)
from tests.support.paths import ROOT

TREES = parse(ROOT)
LEAST_VERBS = 0.75
MOST_EMPTY_NAMES = 5
"""of 1,000"""
MOST_SHARED_NAMES = 20
"""public names that stand in several modules of a package"""
MOST_LINES_OF_A_FILE = 300
MOST_LINES_OF_A_FUNCTION = 69
MOST_LINES_OF_THE_README = 170


@pytest.mark.parametrize("package", PACKAGES)
def test_functions_begin_with_a_verb(package: str) -> None:
    share, others = measure_verbs(TREES, package)
    assert share >= LEAST_VERBS, "\n".join(others)


def test_variables_say_what_they_hold() -> None:
    per_thousand, modules = measure_empty_names(TREES)
    assert per_thousand < MOST_EMPTY_NAMES, modules.most_common(20)


def test_no_module_opens_with_a_question() -> None:
    assert list_openings(TREES) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_public_name_stands_in_one_module(package: str) -> None:
    shared, _ = count_shared_names(TREES, package)
    assert shared < MOST_SHARED_NAMES


def test_files_and_functions_are_short() -> None:
    lines = {str(path): len((ROOT / path).read_text().splitlines()) for path in TREES}
    assert {path: count for path, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}
    functions = {
        f"{path}:{function.name}": (function.end_lineno or 0) - function.lineno + 1
        for path, tree in TREES.items()
        for function in list_functions(tree)
    }
    assert {name: count for name, count in functions.items() if count > MOST_LINES_OF_A_FUNCTION} == {}


def test_the_readme_is_read_in_one_go() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MOST_LINES_OF_THE_README
