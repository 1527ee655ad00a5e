"""`zoomin-train evaluate --photographs` on the real engine: what is planted in real textures hides from the view."""

import argparse
from pathlib import Path

import pytest

from pipeline.vllm.engine import VllmEngine
from tests.support.paths import MODEL
from tests.support.photographs import NAMES, taken, tinted
from training.commands import evaluate as command
from training.evaluation import evaluate, summary
from training.evaluation.metrics import Prediction
from training.settings import TrainSettings

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(600)]


async def test_a_checkpoint_is_tried_on_real_textures_with_the_drop(vllm_engine: VllmEngine, tmp_path: Path) -> None:
    for name in NAMES:
        taken(name).save(tmp_path / f"{name}.png")
    tinted().save(tmp_path / "tinted.png")
    parser = argparse.ArgumentParser()
    command.configure(parser)
    asked = parser.parse_args([str(MODEL), "--count", "8", "--photographs", str(tmp_path)])
    judged: dict[str, list[Prediction]] = {}
    for drawn, passes in command.jobs(asked, TrainSettings(workers=2)):
        judged |= await evaluate.judge(drawn, vllm_engine, concurrency=8, passes=passes)
    planted = judged[summary.PHOTOGRAPHS]
    said = [
        (real.scan_verdict, generated.scan_verdict) for real, generated in zip(planted[::2], planted[1::2], strict=True)
    ]
    assert sum(real is generated for real, generated in said) >= 3  # of four: a view may differ by a rounded level
    assert all(one.parsed for one in planted)
    shown = summary.of_passes(judged)
    assert shown["acc_photographs"].n == 8
    told = summary.table(shown)
    assert "\nAcc, photographs " in told
    assert "\nless Acc, photographs " in told
