"""The shape of the tree: who may import whom, one door for each heavy library, a test beside each file."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("pipeline", "worker", "training")
FILES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
MAY_IMPORT = {"pipeline": {"pipeline"}, "worker": {"worker", "pipeline"}, "training": {"training", "pipeline"}}
S3_DOORS = ("worker/store.py", "worker/local*.py", "training/bucket.py")
KAFKA_DOORS = (
    "worker/source.py",
    "worker/consumer.py",
    "worker/delivery.py",
    "worker/transactions.py",
    "worker/local*.py",
    "worker/commands/*.py",
)
KAFKA_SHARED = ("worker/kafka_client.py", "worker/client_cures.py")  # what the doors have in common
DOORS = {
    "vllm": ("pipeline/vllm_engine.py",),
    "kafka": KAFKA_DOORS + KAFKA_SHARED,
    "boto3": S3_DOORS,
    "botocore": (*S3_DOORS, "worker/s3_errors.py"),
    "trl": ("training/tuning/sft.py", "training/tiny_model/weighted_sft.py", "training/tuning/grpo.py"),
    "openai": ("training/magnifake/endpoint.py",),
    "os.environ": ("worker/settings.py", "training/settings.py"),
}
TESTED_ELSEWHERE = {
    # A port, without code.
    "pipeline/engine.py": "tests/contract/test_engine.py",
    # Parts of reading events, seen from outside through parse_event.
    "pipeline/event_shapes.py": "tests/unit/pipeline/test_events.py",
    "pipeline/record.py": "tests/unit/pipeline/test_events.py",
    "pipeline/strict_json.py": "tests/unit/pipeline/test_events.py",
    "pipeline/urls.py": "tests/unit/pipeline/test_events.py",
    # Half of a pair: the other half is what is called.
    "worker/decoding_child.py": "tests/unit/worker/test_decoding.py",
    # Adapters: nothing is to be said of them without what they adapt.
    "pipeline/vllm_engine.py": "tests/contract/test_engine.py",
    "worker/store.py": "tests/contract/test_store.py",
    "worker/calls.py": "tests/contract/test_store.py",
    "worker/source.py": "tests/contract/test_source.py",
    "worker/consumer.py": "tests/contract/test_source.py",
    "worker/turn.py": "tests/contract/test_source.py",
    "worker/publisher.py": "tests/contract/test_publisher.py",
    "worker/delivery.py": "tests/contract/test_publisher.py",
    "worker/transactions.py": "tests/contract/test_transactions.py",
    "worker/client_cures.py": "tests/integration/test_client_cures.py",
    "worker/jars.py": "tests/integration/test_services.py",
    "worker/guard.py": "tests/integration/test_guard.py",
    "worker/commands/check.py": "tests/integration/test_check.py",
    "worker/commands/demo_site.py": "tests/integration/test_demo_site.py",
    "worker/commands/replay.py": "tests/integration/test_replay.py",
    "training/magnifake/endpoint.py": "tests/integration/test_build.py",
    "training/magnifake/annotator.py": "tests/integration/test_build.py",
    "training/bucket.py": "tests/integration/test_bucket.py",
    "training/commands/engine.py": "tests/integration/test_trained_rows.py",
    # What puts everything together, as a process.
    "worker/__main__.py": "tests/integration/test_worker.py",
    "worker/app.py": "tests/integration/test_worker.py",
    "worker/commands/run.py": "tests/integration/test_worker.py",
}


def imported(file: str) -> Iterator[tuple[int, str]]:
    """Line and full name of each import, also those inside functions; reading the environment is one of os.environ."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno} imports relatively; write the whole name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.environb", "os.getenv"):
            yield node.lineno, "os.environ"


@pytest.mark.parametrize("file", FILES)
def test_imports_go_in_one_direction(file: str) -> None:
    package = file.partition("/")[0]
    for line, name in imported(file):
        top = name.partition(".")[0]
        ours = top in (*PACKAGES, "tests")
        assert not ours or top in MAY_IMPORT[package], f"{file}:{line} imports {name}; {package} may not know {top}"


@pytest.mark.parametrize("file", FILES)
def test_heavy_libraries_have_one_door(file: str) -> None:
    for line, name in imported(file):
        for library, doors in DOORS.items():
            if f"{name}.".startswith(f"{library}."):
                is_door = any(fnmatch(file, door) for door in doors)
                assert is_door, f"{file}:{line} uses {library}, which only {', '.join(doors)} may"


@pytest.mark.parametrize("file", [file for file in FILES if not file.endswith("__init__.py")])
def test_every_file_has_its_test(file: str) -> None:
    path = Path(file)
    own = Path("tests/unit") / path.parent / f"test_{path.stem.strip('_')}.py"
    if file in TESTED_ELSEWHERE:
        assert not (ROOT / own).exists(), f"{file} has {own}: take it off the list"
        own = Path(TESTED_ELSEWHERE[file])
    assert (ROOT / own).exists(), f"{file} has no test: write {own}, or say in TESTED_ELSEWHERE where it is tested"


def test_the_list_of_exceptions_names_files_of_ours() -> None:
    assert not TESTED_ELSEWHERE.keys() - set(FILES)
