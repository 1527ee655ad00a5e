"""Plugin of pytest: with `-n N`, each file of tests is one piece of work for one worker, and the longest come first.

Some files are one piece together: those that share something which takes long to start, so that only one worker starts
it, and those of `tests/chaos`, whose faults are timed.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer

TOGETHER: Mapping[str, frozenset[str]] = {
    "label_studio": frozenset(
        {
            "tests/contract/test_label_studio.py",
            "tests/integration/local/test_label_studio.py",
            "tests/integration/training/test_annotators_page.py",
            "tests/integration/training/test_forget.py",
            "tests/integration/training/test_labels.py",
        }
    ),
    "vllm_engine": frozenset(
        {
            "tests/contract/test_engine.py",
            "tests/integration/training/test_paper_tables.py",
            "tests/integration/training/test_photographs.py",
            "tests/integration/vllm/test_vllm_engine.py",
        }
    ),
    "warm_server": frozenset(
        {
            "tests/integration/training/test_ablation_rows.py",
            "tests/integration/training/test_grpo_runs.py",
            "tests/integration/training/test_sft_runs.py",
            "tests/integration/training/test_sharded_training.py",
            "tests/integration/training/test_stages.py",
            "tests/integration/training/test_training_chain.py",
            "tests/integration/training/test_vllm_sampling.py",
        }
    ),
}
"""session fixtures that take long to start, with the files that ask for them: one piece each, of the fixture's name"""

# As `make test` prints them at its end, for pieces of 20 s and more; the longest comes first, the others at last.
SECONDS: Mapping[str, float] = {
    "warm_server": 1100,
    "tests/chaos": 820,
    "tests/loop_demo/test_loop.py": 300,
    "vllm_engine": 260,
    "label_studio": 230,
    "tests/integration/worker/test_worker.py": 190,
    "tests/integration/training/test_gpu_check.py": 280,
    "tests/label_demo/test_round.py": 240,
    "tests/integration/local/test_local.py": 100,
    "tests/e2e/test_demo.py": 110,
    "tests/integration/training/test_build_vllm.py": 80,
    "tests/integration/vllm/test_engine_faults.py": 110,
    "tests/e2e/test_worker.py": 85,
    "tests/integration/training/test_build.py": 90,
    "tests/integration/kafka/test_secured.py": 110,
    "tests/integration/kafka/test_publisher_outages.py": 60,
    "tests/integration/worker/test_secrets.py": 80,
    "tests/integration/training/test_shadow.py": 60,
    "tests/integration/training/test_snapshot.py": 50,
    "tests/integration/training/test_models.py": 40,
    "tests/integration/kafka/test_workarounds.py": 40,
    "tests/integration/kafka/test_denied.py": 40,
    "tests/unit/test_structure.py": 40,
    "tests/integration/kafka/test_source_outages.py": 40,
    "tests/integration/kafka/test_transactions_outages.py": 30,
    "tests/contract/test_store.py": 30,
    "tests/integration/worker/test_collect.py": 30,
    "tests/integration/commands/test_replay.py": 30,
    "tests/hostile/test_shown.py": 30,
    "tests/integration/commands/test_submit.py": 30,
    "tests/integration/commands/test_tail.py": 30,
}


def find_group(nodeid: str) -> str:
    """Return the piece of work that a test belongs to."""
    file = nodeid.partition("::")[0]
    shared = next((fixture for fixture, files in TOGETHER.items() if file in files), file)
    return "tests/chaos" if file.startswith("tests/chaos/") else shared


def rank_group(group: str) -> tuple[float, bool]:
    """Return the sorting key of a piece; of those without a time, the unit tests come last."""
    return -SECONDS.get(group, 0), group.startswith("tests/unit/")


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
