import json

import pytest

from training.__main__ import main

GPUS = ["--gpus", "8", "--gpu-memory-gib", "80"]


def test_the_whole_way_of_a_7b_is_printed_and_fits(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry-run", "--model-size", "7b", *GPUS]) == 0
    text = capsys.readouterr().out
    assert text.startswith("planned for 8 GPUs of 80.0 GiB in a machine of 1024 GiB; nothing is started")
    assert text.endswith("all 7 steps can run, one after the other\n")
    assert "$ accelerate launch --config_file infra/accelerate/eight_gpus_fsdp2.yaml -m training grpo" in text


def test_what_cannot_fit_is_bad_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry-run", "--model-size", "7b", "--gpus", "1", "--gpu-memory-gib", "80"]) == 2
    assert "this fits with" in capsys.readouterr().out


def test_json_holds_every_step_in_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry-run", "--model-size", "3b", *GPUS, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["gpus"], report["gpu_memory_bytes"], report["host_memory_bytes"]) == (8, 80 * 2**30, 1024 * 2**30)
    for step in report["steps"][1:]:
        assert step["peak_bytes"] == max(sum(parts.values()) for parts in step["memory_bytes"].values())


def test_a_size_that_is_none_is_bad_settings(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dry-run", "--model-size", "70b"]) == 2
    assert "70b is neither 3b nor 7b nor 32b" in capsys.readouterr().err
