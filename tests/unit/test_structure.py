"""The shape of the tree: rooms and their imports, one door for each heavy library, a test beside each file."""

import ast
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from functools import cache
from pathlib import Path

import pytest

from tests.support.paths import ROOT

PACKAGES = ("pipeline", "worker", "training")
FILES = sorted(path.relative_to(ROOT).as_posix() for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
ENVIRONMENT = ("environ", "environb", "getenv")
MOST_FILES = 16
"""of a room, without its `__init__.py`"""


def name_rooms(package: str, names: str) -> frozenset[str]:
    return frozenset(f"{package}/{name}".removesuffix("/root") for name in names.split())


# Each room with the rooms that it may import besides itself. The root of `worker` is its top, that of the others their
# ground: `__main__` loads a verb by its name.
_GROUND = name_rooms("training", "root common qwen dataset")
_EVALUATION = _GROUND | name_rooms("training", "synthetic engine")
_TRAINING = _EVALUATION | name_rooms("training", "annotation evaluation runs validation")
_WORKER = name_rooms("worker", "common observe kafka storage sampling serving")
MAY_IMPORT: Mapping[str, frozenset[str]] = {
    "pipeline": frozenset(),
    "pipeline/wire": name_rooms("pipeline", "root"),
    "pipeline/evidence": name_rooms("pipeline", "root wire"),
    "pipeline/storage": name_rooms("pipeline", "root"),
    "pipeline/labeling": name_rooms("pipeline", "root wire storage"),
    "pipeline/registry": name_rooms("pipeline", "root wire storage"),
    "pipeline/color": name_rooms("pipeline", "root"),
    "pipeline/bmp": name_rooms("pipeline", "root"),
    "pipeline/gif": name_rooms("pipeline", "root"),
    "pipeline/tiff": name_rooms("pipeline", "root"),
    "pipeline/heif": name_rooms("pipeline", "root"),
    "pipeline/jxl": name_rooms("pipeline", "root color"),
    "pipeline/png": name_rooms("pipeline", "root"),
    "pipeline/decoding": name_rooms("pipeline", "root bmp color gif heif jxl png tiff"),
    "pipeline/sandbox": name_rooms("pipeline", "root png decoding"),
    "pipeline/vllm": name_rooms("pipeline", "root"),
    "worker/common": frozenset(),
    "worker/observe": name_rooms("worker", "common"),
    "worker/kafka": name_rooms("worker", "common observe"),
    "worker/storage": name_rooms("worker", "common observe"),
    "worker/sampling": name_rooms("worker", "common observe storage"),
    "worker/serving": name_rooms("worker", "common observe storage"),
    "worker": _WORKER,
    "worker/collect": _WORKER | name_rooms("worker", "root"),
    "worker/local": name_rooms("worker", "common kafka"),
    "worker/cli": name_rooms("worker", "common observe kafka storage"),
    "worker/demo": name_rooms("worker", "common observe kafka storage local cli"),
    "worker/commands": _WORKER | name_rooms("worker", "root collect local cli demo"),
    "training": frozenset(),
    "training/common": name_rooms("training", "root"),
    "training/qwen": name_rooms("training", "root common"),
    "training/dataset": name_rooms("training", "root common"),
    "training/engine": _GROUND,
    "training/synthetic": _GROUND,
    "training/annotation": _GROUND,
    "training/labeling": _GROUND,
    "training/label_studio": _GROUND | name_rooms("training", "labeling"),
    "training/evaluation": _EVALUATION,
    "training/runs": _EVALUATION,
    "training/snapshot": _GROUND | name_rooms("training", "labeling runs"),
    "training/reports": _EVALUATION | name_rooms("training", "evaluation"),
    "training/erasure": _GROUND | name_rooms("training", "labeling label_studio runs snapshot"),
    "training/estimates": _EVALUATION | name_rooms("training", "annotation labeling evaluation reports"),
    "training/shadow": _EVALUATION | name_rooms("training", "labeling evaluation reports estimates"),
    "training/validation": _EVALUATION | name_rooms("training", "evaluation runs"),
    "training/sft": _TRAINING,
    "training/grpo": _TRAINING,
    "training/tiny_model": _TRAINING | name_rooms("training", "reports sft grpo"),
    "training/dry_run": _TRAINING | name_rooms("training", "sft grpo"),
    "training/gpu_check": _TRAINING | name_rooms("training", "sft grpo tiny_model dry_run"),
    "training/cli": _TRAINING | name_rooms("training", "sft grpo dry_run paper"),
    "training/paper": _TRAINING | name_rooms("training", "reports sft grpo tiny_model dry_run"),
    "training/stages": _TRAINING | name_rooms("training", "reports grpo tiny_model paper"),
    "training/detectors": _EVALUATION | name_rooms("training", "evaluation paper"),
    "training/baselines": _EVALUATION | name_rooms("training", "evaluation runs detectors"),
    "training/gate": _EVALUATION | name_rooms("training", "evaluation runs reports paper shadow"),
    "training/commands": _TRAINING
    | name_rooms(
        "training",
        "labeling reports sft grpo tiny_model dry_run gpu_check cli paper stages detectors baselines",
    ),
    "training/label_commands": _GROUND | name_rooms("training", "labeling label_studio erasure snapshot estimates cli"),
    "training/retraining": _TRAINING | name_rooms("training", "labeling snapshot reports sft grpo dry_run gate"),
    "training/model_commands": _GROUND | name_rooms("training", "engine runs cli gate retraining shadow"),
}
_S3 = ("pipeline/storage/*", "worker/local/*")
DOORS = {
    "vllm": ("pipeline/vllm/*",),
    "kafka": ("worker/kafka/*", "worker/local/*", "worker/cli/*", "worker/demo/*", "worker/commands/*"),
    "boto3": _S3,
    "botocore": _S3,
    "trl": ("training/sft/*", "training/grpo/*", "training/runs/*", "training/tiny_model/*"),
    "pillow_heif": ("pipeline/decoding/heic.py",),
    "imagecodecs": ("pipeline/jxl/library.py",),
    "openai": ("training/annotation/endpoint.py",),
    "httpx": ("training/label_studio/client.py",),
    "os.environ": ("worker/common/settings.py", "training/settings.py"),
}
TESTED_ELSEWHERE = {
    # A port, without code.
    "pipeline/engine.py": "tests/contract/test_engine.py",
    # Parts of reading events, seen from outside through parse_record.
    "pipeline/wire/event_shapes.py": "tests/unit/pipeline/wire/test_events.py",
    "pipeline/wire/record.py": "tests/unit/pipeline/wire/test_events.py",
    "pipeline/wire/strict_json.py": "tests/unit/pipeline/wire/test_events.py",
    "pipeline/wire/urls.py": "tests/unit/pipeline/wire/test_events.py",
    # Seen from outside through decode.
    "pipeline/decoding/frame.py": "tests/unit/pipeline/decoding/test_decode.py",
    "pipeline/gif/blocks.py": "tests/unit/pipeline/decoding/test_gif.py",
    "pipeline/decoding/pillow.py": "tests/unit/pipeline/decoding/test_decode.py",
    # A table alone.
    "pipeline/tiff/compressions.py": "tests/unit/pipeline/tiff/test_layout.py",
    # Declarations alone.
    "training/validation/plan.py": "tests/unit/training/grpo/test_run_config.py",
    "training/validation/profile.py": "tests/unit/training/sft/test_profiles.py",
    # Half of a pair: the other half is what is called.
    # Rights are gone only when the whole process has given them up.
    "pipeline/sandbox/kernel.py": "tests/unit/pipeline/sandbox/test_confinement.py",
    "pipeline/sandbox/landlock.py": "tests/unit/pipeline/sandbox/test_confinement.py",
    # Declarations alone.
    "pipeline/registry/champion.py": "tests/unit/pipeline/registry/test_promotion.py",
    "pipeline/registry/notices.py": "tests/unit/pipeline/registry/test_push.py",
    "pipeline/registry/pushed_files.py": "tests/unit/pipeline/registry/test_push.py",
    # Parts of the cache of revisions, seen from outside through `fetch`.
    "pipeline/registry/cache_entry.py": "tests/unit/pipeline/registry/test_cache.py",
    "pipeline/registry/cache_room.py": "tests/unit/pipeline/registry/test_cache.py",
    "pipeline/registry/file_check.py": "tests/unit/pipeline/registry/test_cache.py",
    # Adapters: they are tested together with the service.
    "pipeline/vllm/engine.py": "tests/contract/test_engine.py",
    "pipeline/vllm/core_client.py": "tests/contract/test_engine.py",
    "pipeline/vllm/core_process.py": "tests/contract/test_engine.py",
    "pipeline/vllm/front_process.py": "tests/contract/test_engine.py",
    "pipeline/vllm/front_metrics.py": "tests/contract/test_engine.py",
    "pipeline/vllm/fronts.py": "tests/integration/vllm/test_fronts.py",
    "pipeline/vllm/front.py": "tests/integration/vllm/test_fronts.py",
    "worker/storage/client.py": "tests/contract/test_store.py",
    "worker/storage/buckets.py": "tests/contract/test_store.py",
    "worker/storage/image_store.py": "tests/contract/test_store.py",
    "worker/storage/label_bucket.py": "tests/contract/test_store.py",
    "worker/kafka/source.py": "tests/contract/test_source.py",
    "worker/kafka/consumer.py": "tests/contract/test_source.py",
    "worker/kafka/poll_result.py": "tests/contract/test_source.py",
    "worker/kafka/positions.py": "tests/integration/kafka/test_source_outages.py",
    "worker/kafka/publisher.py": "tests/contract/test_publisher.py",
    "worker/kafka/delivery.py": "tests/contract/test_publisher.py",
    "worker/kafka/transactions.py": "tests/contract/test_transactions.py",
    "worker/kafka/workarounds.py": "tests/integration/kafka/test_workarounds.py",
    "worker/local/jars.py": "tests/integration/local/test_services.py",
    "worker/local/label_studio.py": "tests/integration/local/test_label_studio.py",
    "worker/local/label_studio_packages.py": "tests/integration/local/test_label_studio.py",
    "worker/local/child_supervisor.py": "tests/integration/local/test_child_supervisor.py",
    "worker/local/service.py": "tests/integration/local/test_local.py",
    "worker/demo/site.py": "tests/integration/local/test_demo_site.py",
    "worker/cli/evidence_cards.py": "tests/integration/commands/test_tail.py",
    "worker/commands/replay.py": "tests/integration/commands/test_replay.py",
    "worker/commands/rejudge.py": "tests/integration/commands/test_rejudge.py",
    "worker/cli/rejudge_steps.py": "tests/integration/commands/test_rejudge.py",
    "training/annotation/endpoint.py": "tests/integration/training/test_build.py",
    "training/annotation/annotator.py": "tests/integration/training/test_build.py",
    "training/common/s3.py": "tests/integration/training/test_bucket.py",
    "training/common/model_registry.py": "tests/integration/training/test_models.py",
    "training/labeling/bucket.py": "tests/integration/training/test_bucket.py",
    "training/estimates/report.py": "tests/integration/training/test_estimate.py",
    "training/shadow/verdict_topic.py": "tests/integration/training/test_shadow.py",
    "training/shadow/report.py": "tests/integration/training/test_shadow.py",
    "training/shadow/tables.py": "tests/integration/training/test_shadow.py",
    "training/shadow/page.py": "tests/integration/training/test_shadow.py",
    "training/model_commands/shadow.py": "tests/integration/training/test_shadow.py",
    "training/labeling/download.py": "tests/integration/training/test_bucket.py",
    "training/snapshot/base.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/facts.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/fetch.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/files.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/holders.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/images.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/parent.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/place.py": "tests/contract/test_snapshot_place.py",
    "training/snapshot/snapshot.py": "tests/integration/training/test_snapshot.py",
    "training/snapshot/summary.py": "tests/integration/training/test_snapshot.py",
    "pipeline/storage/objects.py": "tests/integration/storage/test_objects.py",
    "pipeline/storage/uploads.py": "tests/integration/storage/test_uploads.py",
    # A whole training.
    "training/stages/control.py": "tests/integration/training/test_stages.py",
    "training/tiny_model/tiny.py": "tests/integration/training/test_tiny_model.py",
    "training/gpu_check/serving.py": "tests/integration/training/test_gpu_check.py",
    "training/gpu_check/serving_child.py": "tests/integration/training/test_gpu_check.py",
    # Both models, asked on an engine.
    "training/retraining/predict_stages.py": "tests/integration/training/test_retrain.py",
    # Steps of a night, and what it is of: the night of played commands runs them all.
    "training/retraining/chain.py": "tests/unit/training/retraining/test_night.py",
    "training/retraining/labeled_set.py": "tests/unit/training/retraining/test_night.py",
    "training/retraining/places.py": "tests/unit/training/retraining/test_night.py",
    "training/retraining/prediction_plan.py": "tests/unit/training/retraining/test_night.py",
    "training/gate/run.py": "tests/integration/training/test_gate.py",
    # Types alone.
    "training/gate/table.py": "tests/unit/training/gate/test_judge.py",
    "training/gpu_check/rows.py": "tests/unit/training/gpu_check/test_report.py",
    "pipeline/storage/credentials.py": "tests/unit/worker/kafka/test_logins.py",
    # The whole process.
    "worker/__main__.py": "tests/integration/worker/test_worker.py",
    "worker/app.py": "tests/integration/worker/test_worker.py",
    "worker/commands/run.py": "tests/integration/worker/test_worker.py",
    "worker/service.py": "tests/integration/worker/test_worker.py",
    "worker/collect/app.py": "tests/integration/worker/test_collect.py",
    "worker/collect/label_store.py": "tests/integration/worker/test_collect.py",
    "worker/collect/verdict_follower.py": "tests/integration/worker/test_verdict_follower.py",
    "worker/commands/collect.py": "tests/integration/worker/test_collect.py",
}


@cache
def list_imports(file: str) -> tuple[tuple[int, str], ...]:
    """Return line and full name of each import, also inside functions; reading the environment imports `os.environ`."""
    return tuple(_find_imports(file))


def _find_imports(file: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno} imports relatively; write the whole name"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT and ast.unparse(node.value) == "os":
            yield node.lineno, "os.environ"


def find_room(name: str) -> str | None:
    """Return the folder of a module of ours or of the module that has the member `name`; None for anything else."""
    path = ROOT / name.replace(".", "/")
    for place in (path, path.parent):
        if place.with_suffix(".py").is_file():
            return place.parent.relative_to(ROOT).as_posix()
        if place.is_dir():
            return place.relative_to(ROOT).as_posix()
    return None


@pytest.mark.parametrize("file", FILES)
def test_a_room_imports_only_rooms_below_it(file: str) -> None:
    room = Path(file).parent.as_posix()
    shared = (
        frozenset()
        if room.startswith("pipeline")
        else name_rooms("pipeline", "root wire evidence storage labeling registry color decoding sandbox vllm")
    )
    for line, name in list_imports(file):
        if name.partition(".")[0] in (*PACKAGES, "tests"):
            other = find_room(name)
            assert other in {room} | MAY_IMPORT[room] | shared, (
                f"{file}:{line} imports {name}; {room} may not know {other}"
            )


def test_no_two_rooms_may_import_each_other() -> None:
    pairs = {(room, other) for room, others in MAY_IMPORT.items() for other in others}
    assert not [pair for pair in pairs if pair[::-1] in pairs]


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_is_small_and_says_what_it_is_for(room: str) -> None:
    files = [path.name for path in (ROOT / room).glob("*.py") if path.name != "__init__.py"]
    assert len(files) <= MOST_FILES
    text = (ROOT / room / "README.md").read_text()
    assert not [name for name in files if f"`{name}`" not in text], f"{room}/README.md does not name every file"


def test_every_folder_of_code_is_a_room() -> None:
    assert {Path(file).parent.as_posix() for file in FILES} == MAY_IMPORT.keys()


@pytest.mark.parametrize("file", FILES)
def test_heavy_libraries_have_one_door(file: str) -> None:
    for line, name in list_imports(file):
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
