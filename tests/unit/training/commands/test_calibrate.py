from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.checkpoint import Calibration, Checkpoint, CheckpointCard, Scaling
from training.__main__ import main
from training.commands import calibrate
from training.common.resampling import Metric
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
    said = capsys.readouterr().err
    assert "the images of one half of 128 are 60 real and 4 generated; calibration needs 50 of each label" in said
    assert "Traceback" not in said


def test_the_report_says_what_changed_and_what_follows() -> None:
    figures = dict.fromkeys((*calibrate.SHOWN, "nll_drop"), Metric(0.25, 0.2, 0.3, 500))
    calibration = Calibration(temperature=2.0, bias=-0.5, per_source={"web": Scaling(temperature=1.5)})
    card = CheckpointCard(calibration=calibration, uncertain_between=(0.2, 0.7))
    old = Checkpoint(Path("m"), CheckpointCard(), "sha256:aaaaaaaaaaaaaaaa")
    new = Checkpoint(Path("m"), card, "sha256:bbbbbbbbbbbbbbbb")
    text = calibrate.report(old, new, figures, figures, risk=0.02)
    for part in (
        "all sources: temperature 2, bias -0.5",
        "web: temperature 1.5, bias +0",
        "P(generated) from 0.2000 to 0.7000; beyond it at most 2.0%",
        "revision sha256:aaaaaaaaaaaa is sha256:bbbbbbbbbbbb now",
        "`zoomin-train evaluate m --write-card` measures again",
    ):
        assert part in text
    assert "sure enough" not in text
    half = replace(new, card=card.model_copy(update={"uncertain_between": (0.2, 1.0)}))
    assert "no verdict generated is sure enough" in calibrate.report(old, half, figures, figures, risk=0.02)
    line = calibrate.as_json(new, figures, figures, fitted=500, checked=500)
    assert line["calibration"] == calibration.model_dump()
    assert (line["revision"], line["uncertain_between"]) == (new.revision, (0.2, 0.7))
