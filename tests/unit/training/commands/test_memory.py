import json

import pytest

from training.__main__ import main
from training.sft.memory import FORMULA


def test_a_plan_is_told_with_its_formula(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "models/zoomin-tiny", "--gpus", "1", "--profile", "tiny"]) == 0
    told = capsys.readouterr().out
    assert FORMULA in told
    assert "GiB per GPU" in told


def test_json_says_bytes_that_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "7b", "--lora", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["parameters"]["all"] == 8_292_166_656
    assert said["total"] == sum(said["bytes"].values())


def test_a_size_that_is_none_is_bad_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--size", "70b"]) == 2
    assert "--size 70b" in capsys.readouterr().err
