import json

import pytest

from training.__main__ import main
from training.sft.memory import FORMULA


def test_a_plan_is_told_with_its_formula(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "models/zoomin-tiny", "--gpus", "1", "--profile", "tiny"]) == 0
    text = capsys.readouterr().out
    assert FORMULA in text
    assert "GiB per GPU" in text


def test_json_says_bytes_that_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "7b", "--lora", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["parameters"]["all"] == 8_292_166_656
    assert report["total"] == sum(report["bytes"].values())


def test_a_size_that_is_none_is_bad_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "70b"]) == 2
    assert "--size 70b" in capsys.readouterr().err
