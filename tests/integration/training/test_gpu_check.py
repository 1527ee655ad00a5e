"""The GPU check on the CPU: a small shape of Qwen2.5-VL through the command, and what its serving part judges."""

import asyncio
import json
from pathlib import Path
from typing import Any, cast

import pytest

from pipeline.checkpoint import CheckpointCard
from pipeline.engine import Answer
from training.__main__ import main
from training.gpu_check import serving, serving_child
from training.gpu_check.plan import build_plan
from training.gpu_check.rows import CheckRow
from training.qwen.sizes import load_config


@pytest.fixture
def small_shape(tmp_path: Path) -> Path:
    """The 3B with an eighth of its width: Qwen's vocabulary and the sizes of its heads."""
    config = load_config("3b")
    text, vision = config.text_config, config.vision_config
    text.hidden_size, text.intermediate_size, text.num_attention_heads, text.num_key_value_heads = 256, 512, 2, 1
    vision.hidden_size, vision.intermediate_size, vision.num_heads, vision.out_hidden_size = 160, 320, 2, 256
    config.save_pretrained(tmp_path / "small")
    return tmp_path / "small"


@pytest.mark.timeout(1200)
def test_every_check_runs_on_two_layers_and_is_reported(
    small_shape: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_THREADS", "1")
    out = tmp_path / "gpu.json"
    options = [
        "--size",
        str(small_shape),
        "--cpu",
        "--minutes",
        "18",
        "--work",
        str(tmp_path / "work"),
        "--out",
        str(out),
    ]
    assert main(["gpu-check", *options]) == 0, capsys.readouterr().err
    report = json.loads(out.read_text())
    rows = {row["name"]: row for row in report["rows"]}
    assert (report["failed"], report["layers"], report["on_cpu"]) == (0, 2, True)
    assert [name for name, row in rows.items() if row["outcome"] == "skipped"] == [
        "sleep and wake",
        "tensor parallelism 2",
    ]
    assert rows["both queries, 2 in flight"]["values"]["cached_share_query_2"] > 0
    assert rows["core killed"]["values"]["failed_with_engine_dead"] == 2
    assert rows["SIGTERM"]["values"]["exit_code"] == 0
    assert {"engine start", "engine restart", "reload", "nothing left behind"} <= rows.keys()
    assert rows["SFT step"]["values"]["loss"] > 0
    assert rows["GRPO step"]["values"]["step_s"] > 0
    assert not list((tmp_path / "work").glob("**/*.safetensors")), "the weights are deleted"
    assert "both queries, 2 in flight" in capsys.readouterr().out


def test_an_engine_that_does_not_start_is_a_failed_row_with_its_reason(tmp_path: Path) -> None:
    plan = build_plan("3b", tmp_path, on_cpu=True, layers=None, tensor_parallel=1, minutes=1)
    rows: list[CheckRow] = []
    asyncio.run(serving.check_serving(plan, rows.append, seconds=120))
    assert [row.outcome for row in rows] == ["failed"]
    assert "no config.json" in rows[0].detail


def test_a_part_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    plan = build_plan("3b", tmp_path, on_cpu=True, layers=None, tensor_parallel=1, minutes=1)
    rows: list[CheckRow] = []
    asyncio.run(serving.check_serving(plan, rows.append, seconds=0.1))
    assert [(row.outcome, "not done within" in row.detail) for row in rows] == [("failed", True)]


def test_a_core_that_outlives_its_parent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "ORPHAN_DEADLINE_S", 1.0)
    assert asyncio.run(serving.check_orphan(1)).outcome == "failed"
    assert asyncio.run(serving.check_orphan(2**22 + 1)).outcome == "ok"


@pytest.mark.parametrize(("signals", "outcome"), [(1, "ok"), (2, "failed"), (0, "failed")])
def test_a_handler_is_called_once(signals: int, outcome: str) -> None:
    assert serving_child.judge_stop(signals).outcome == outcome


@pytest.mark.parametrize(("after", "outcome"), [(0.502, "ok"), (0.6, "failed")])
def test_the_same_weights_answer_the_same(after: float, outcome: str) -> None:
    before = [Answer("", 0.5), Answer("", 0.9)]
    row = serving_child.compare_answers("reload", before, [Answer("", after), Answer("", 0.9)], {})
    assert row.outcome == outcome


def test_a_gpus_engine_sleeps_and_answers_as_before(tmp_path: Path) -> None:
    calls: list[str] = []

    class Engine:
        card = CheckpointCard(scan_max_pixels=112 * 112, crop_max_pixels=112 * 112)

        async def ask(self, query: object) -> Answer:
            calls.append("ask")
            return Answer("", 0.5)

        async def sleep(self) -> None:
            calls.append("sleep")

        async def wake_up(self) -> None:
            calls.append("wake")

    plan = build_plan("7b", tmp_path, on_cpu=False, layers=None, tensor_parallel=1, minutes=1)
    row = asyncio.run(serving_child.sleep_and_wake(cast(Any, Engine()), plan))
    assert row.outcome == "ok"
    assert calls == ["ask", "ask", "sleep", "wake", "ask", "ask"]
