"""Plugin of pytest: with `-n N`, each file of tests is one piece of work for one worker, and the longest come first.

Some files are one piece together: those that share the one real engine, so that only one worker starts it, and those of
`tests/chaos`, whose faults are timed.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

ENGINE_FILES = frozenset(
    {
        "tests/contract/test_engine.py",
        "tests/integration/training/test_paper_tables.py",
        "tests/integration/training/test_photographs.py",
        "tests/integration/vllm/test_vllm_engine.py",
    }
)
"""tests that ask for the fixture `vllm_engine`"""
ORDER = (
    "tests/chaos",
    "tests/unit/training/tiny_model",
    "tests/e2e",
    "tests/integration/training",
    "tests/integration",
    "tests/hostile",
    "tests/contract",
    "tests/unit/training",
    "tests/unit",
)
"""folders, those with the longest files first; a file counts in the first folder that holds it"""


def find_group(nodeid: str) -> str:
    """Return the piece of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    if file in ENGINE_FILES:
        return "tests/integration/vllm"
    return "tests/chaos" if file.startswith("tests/chaos/") else file


def rank_group(group: str) -> int:
    return next((rank for rank, folder in enumerate(ORDER) if f"{group}/".startswith(f"{folder}/")), len(ORDER))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):  # every worker collects by itself, and all must find the same order
        items.sort(key=lambda item: rank_group(find_group(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> object:
    from xdist.scheduler import LoadScopeScheduling

    class LongestFirst(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return find_group(nodeid)

    config.option.loadscopereorder = False  # by the number of tests, which says little of their time
    return LongestFirst(config, log)
