import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.engines import DigestEngine
from tests.support.paths import MODEL
from tests.support.training_runs import write_split_scenes
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.engine.run import EngineSetup
from training.evaluation import stored_predictions
from training.evaluation.metrics import Prediction
from training.runs import publishing
from training.sft.profiles import resolve_sft_profile
from training.validation import served
from training.validation.plan import ValidationPlan


def plan_run(directory: Path, **changes: Any) -> ValidationPlan:
    return ValidationPlan(directory, directory / "run", resolve_sft_profile("tiny", changes).values)


def test_without_a_gpu_transformers_answers_and_a_run_file_may_ask_for_vllm(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert served.choose_engine(plan_run(tmp_path)) == "transformers"
    asked: dict[str, Any] = {"validation_engine": "vllm"}
    assert served.choose_engine(plan_run(tmp_path, **asked)) == "vllm"
    with pytest.raises(BadSettings, match="validation_engine is vllm, which one process with two turns takes"):
        served.choose_engine(replace(plan_run(tmp_path, **asked), is_one_turn=True))


def test_a_second_engine_is_not_started_beside_a_colocated_one(tmp_path: Path) -> None:
    plan = replace(plan_run(tmp_path, validation_engine="vllm"), has_colocated_engine=True)
    with pytest.raises(BadSettings, match=r"is vllm, .* of vllm_colocate, .*take transformers or auto"):
        served.choose_engine(plan)


def test_vllm_answers_for_the_checkpoint_that_would_be_published(tmp_path: Path) -> None:
    data = write_split_scenes(tmp_path / "set", [Split.VALIDATION] * 3)
    entries = list(manifest.read_manifest(data))
    start, plan = Checkpoint.read(MODEL), replace(plan_run(tmp_path, validation_engine="vllm"), data=data)
    asked: list[tuple[Checkpoint, EngineSetup]] = []

    def run_on_stand_in(
        checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[Any], Awaitable[dict[str, list[Prediction]]]]
    ) -> dict[str, list[Prediction]]:
        asked.append((checkpoint, setup))

        async def start_and_work() -> dict[str, list[Prediction]]:
            return await work(DigestEngine(checkpoint.card))

        return asyncio.run(start_and_work())

    predictions = served.predict_served(plan, start, entries, run_on_stand_in)
    assert [prediction.label for prediction in predictions] == [entry.label for entry in entries]
    assert [prediction.annotated for prediction in predictions] == [tuple(entry.regions) for entry in entries]
    assert all(prediction.parsed and len(prediction.regions) == 2 for prediction in predictions)
    ((checkpoint, setup),) = asked
    assert (checkpoint, setup.answers.parent) == (start, plan.directory)


def test_a_run_that_goes_on_reads_what_its_start_has_answered(tmp_path: Path) -> None:
    plan, start = plan_run(tmp_path), Checkpoint.read(MODEL)
    plan.directory.mkdir()
    known = [Prediction(Verdict.REAL, Verdict.REAL, Verdict.REAL, (), ())]
    stored_predictions.store_predictions(plan.locate_predictions("start-transformers"), {"own": known}, "transformers")
    assert served.predict_start(plan, start, []) == known


def test_trained_weights_are_predicted_from_a_complete_checkpoint(tmp_path: Path) -> None:
    data = write_split_scenes(tmp_path / "set", [Split.VALIDATION] * 2)
    entries, start = list(manifest.read_manifest(data)), Checkpoint.read(MODEL)
    plan = replace(plan_run(tmp_path, validation_engine="transformers"), data=data)
    unfinished = plan.directory / publishing.MADE
    model, _ = served.load_model(start.path, "float32")
    model.save_pretrained(unfinished)
    predictions = served.predict_trained(plan, start, "sha256:0", entries)
    assert Checkpoint.read(unfinished).card.trained_on == "sha256:0"
    stored, engine = stored_predictions.read_predictions(plan.locate_predictions("published-transformers"))
    assert (stored["own"], engine) == (predictions, "transformers")
    assert [prediction.label for prediction in predictions] == [entry.label for entry in entries]
