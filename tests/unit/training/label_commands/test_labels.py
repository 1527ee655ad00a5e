import json

import pytest

from training.__main__ import main


@pytest.mark.parametrize("verb", ["push", "pull", "status"])
def test_each_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["labels", verb, "--help"])
    assert f"Example: zoomin-train labels {verb} " in capsys.readouterr().out


def test_a_bucket_is_named_by_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "status", "labels"]) == 2
    assert "labels names no labeling bucket: it is written s3://bucket" in capsys.readouterr().err


@pytest.mark.parametrize("quota", ["control", "control=many", "banana=3", "control=-1"])
def test_a_quota_names_a_reason_and_a_number(quota: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["labels", "push", "s3://labels", "--quota", quota])
    assert f"{quota} is no quota: write REASON=N, with a reason of low_confidence" in capsys.readouterr().err


def test_settings_that_are_missing_are_named_with_counts_of_what_was_done(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["labels", "push", "s3://labels", "--json"]) == 2
    printed = capsys.readouterr()
    assert "ZOOMIN_TRAIN_LABELS_URL must be the address" in printed.err
    assert json.loads(printed.out)["sent"] == {}
    assert json.loads(printed.out)["error"] in printed.err
