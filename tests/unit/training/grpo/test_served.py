import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings
from tests.support.engines import DigestEngine
from tests.support.training_runs import write_split_scenes
from tests.unit.training.grpo.test_run import build_run
from training.dataset import manifest
from training.dataset.labeled_image import Split
from training.engine.run import EngineSetup
from training.evaluation.metrics import Prediction
from training.grpo import served


def test_without_a_gpu_transformers_answers_and_a_run_file_may_ask_for_vllm(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    assert served.choose_engine(build_run(tmp_path, tmp_path, stage=1)) == "transformers"
    asked: dict[str, Any] = {"validation_engine": "vllm"}
    assert served.choose_engine(build_run(tmp_path, tmp_path, stage=1, **asked)) == "vllm"
    with pytest.raises(BadSettings, match="validation_engine is vllm, which one process with two turns takes"):
        served.choose_engine(build_run(tmp_path, tmp_path, stage=2, box_source="none", **asked))


def test_a_second_engine_is_not_started_beside_a_colocated_one(tmp_path: Path) -> None:
    run = build_run(tmp_path, tmp_path, stage=1, validation_engine="vllm", generation="vllm_colocate")
    with pytest.raises(BadSettings, match=r"is vllm, .* of vllm_colocate, .*take transformers or auto"):
        served.choose_engine(run)


def test_vllm_answers_for_the_checkpoint_that_would_be_published(tmp_path: Path) -> None:
    data = write_split_scenes(tmp_path / "set", [Split.VALIDATION] * 3)
    entries = list(manifest.read_manifest(data))
    run = replace(build_run(data, tmp_path / "out", stage=1, validation_engine="vllm"), validation=data)
    asked: list[tuple[Checkpoint, EngineSetup]] = []

    def run_on_stand_in(
        checkpoint: Checkpoint, setup: EngineSetup, work: Callable[[Any], Awaitable[dict[str, list[Prediction]]]]
    ) -> dict[str, list[Prediction]]:
        asked.append((checkpoint, setup))

        async def start_and_work() -> dict[str, list[Prediction]]:
            return await work(DigestEngine(checkpoint.card))

        return asyncio.run(start_and_work())

    predictions = served.predict_served(run, run.start, entries, run_on_stand_in)
    assert [prediction.label for prediction in predictions] == [entry.label for entry in entries]
    assert [prediction.annotated for prediction in predictions] == [tuple(entry.regions) for entry in entries]
    assert all(prediction.parsed and len(prediction.regions) == 2 for prediction in predictions)
    ((checkpoint, setup),) = asked
    assert (checkpoint, setup.answers.parent) == (run.start, run.directory)
