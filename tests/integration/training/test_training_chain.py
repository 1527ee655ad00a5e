"""The tiny model's whole way on a few scenes, through the command line, killed in the middle."""

import json
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from tests.support.processes.warm_processes import WarmServer
from tests.support.training_runs import TIMEOUT_S
from training.__main__ import main
from training.tiny_model import chain as tiny_chain

CHAIN_TIMEOUT_S = 1500.0
MEASURED = tiny_chain.TRIAL.measured_on
FEW = ("--profile", "tiny", "--rows", "4", "--micro-batch", "4", "--epochs", "0.5", "--learning-rate", "1e-5")


@pytest.mark.timeout(1800)  # several engine starts, beside another worker's
def test_from_fine_tuning_to_a_calibrated_and_measured_checkpoint(
    warm_server: WarmServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOOMIN_TRAIN_CACHE", str(tmp_path / "cache"))
    data, tuned, out = (str(tmp_path / name) for name in ("scenes", "tuned", "zoomin-tiny"))
    assert main(["scenes", "--count", "6", "--seed", "40", "--out", data]) == 0
    assert main(["sft", str(MODEL), "--data", data, "--out", tuned, *FEW]) == 0
    start = Checkpoint.read(Path(tuned))
    assert start.revision != Checkpoint.read(MODEL).revision

    chain = ["tiny", "--to-the-end", "--trial", "--start", tuned, "--out", out]
    work = tmp_path / "cache" / "tiny-0" / f"stages-of-{start.revision.removeprefix('sha256:')[:12]}-trial"
    process = warm_server.start("training", *chain)
    process.wait_until((work / "grpo_1" / "grpo" / "checkpoint-1" / "clock.json").exists, TIMEOUT_S)
    process.kill()
    assert not Path(out).exists()
    resumed = warm_server.start("training", *chain)
    assert resumed.wait(CHAIN_TIMEOUT_S) == 0, resumed.errors[-2000:]
    output = resumed.errors
    assert "GRPO stage 1: 100%" in output
    assert "step 1," not in output[: output.index("GRPO stage 1: 100%")], "the first step was not done again"

    published = Checkpoint.read(Path(out))
    assert published.card.calibration is not None
    assert published.card.uncertain_between is not None
    metrics = published.card.metrics
    assert (metrics["acc"]["n"], metrics["unparsed"]["value"]) == (MEASURED, 0)
    assert metrics["acc_annotated_boxes"]["n"] == MEASURED
    sft, first, second, calibrated = metrics["stages"]["stages"]
    for stage, before in ((first, tuned), (second, work / "grpo_1")):
        directory = work / stage["name"]
        assert stage["kept"] == (Checkpoint.read(directory).revision != Checkpoint.read(Path(before)).revision)
        assert [weights["step"] for weights in stage["looked"]] == [0, 2, 2]
        assert stage["kept"] == (not stage["looked"][-1]["objections"])
        assert json.loads((directory / "grpo" / "outcome.json").read_text())["update"]["dtype"] == "float32"
        steps = (directory / "grpo" / "log.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in steps] == [1, 2]
    for name in ("acc", "i_acc", "iou", "iou_recall", "iou_f1", "bleu2", "boxes"):
        assert all(stage["figures"][name]["n"] == MEASURED for stage in (sft, first, second))
        assert all(stage["added"][name]["n"] == MEASURED for stage in (first, second)), "kept or not"
    assert calibrated["figures"]["uncertain"] == metrics["uncertain"]
    assert metrics["uncertain"]["value"] > 0
    card = (Path(out) / "README.md").read_text()
    assert "## What each stage added" in card
    assert f"| Acc: verdict after Query 2 | {metrics['acc']['value']:.3f} | " in card
