from pathlib import Path

import pytest

from training.__main__ import main
from training.dataset import manifest


def test_a_missing_model_is_one_sentence_with_its_cure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("zoomin-train calibrate: no model in ")


def test_a_set_that_is_too_small_is_refused_before_the_engine_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.json").write_text("{}")
    pixel = bytes.fromhex("424d3a0000000000000036000000280000000100000001000000010018000000000004000000") + bytes(20)
    (tmp_path / "a.bmp").write_bytes(pixel)
    (tmp_path / "b.bmp").write_bytes(pixel + b"another")
    lines = ['{"file": "a.bmp", "label": "real"}'] * 120 + ['{"file": "b.bmp", "label": "generated"}'] * 8
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    assert main(["calibrate", str(tmp_path), "--data", str(tmp_path)]) == 2
    printed = capsys.readouterr().err
    assert "the images of one half of 128 are 60 real and 4 generated; calibration needs 50 of each label" in printed
    assert "Traceback" not in printed


def test_a_dry_run_spreads_a_large_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "32b", "--dry-run", "--gpus", "4", "--gpu-memory-gib", "40"]) == 0
    assert "$ ZOOMIN_TRAIN_TENSOR_PARALLEL_SIZE=2 zoomin-train calibrate 32b\n" in capsys.readouterr().out
