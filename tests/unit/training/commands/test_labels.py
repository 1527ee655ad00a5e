import pytest

from training.__main__ import main


@pytest.mark.parametrize("verb", ["status"])
def test_each_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["labels", verb, "--help"])
    assert f"Example: zoomin-train labels {verb} " in capsys.readouterr().out


def test_a_bucket_is_named_by_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["labels", "status", "labels"]) == 2
    assert "labels names no labeling bucket: it is written s3://bucket" in capsys.readouterr().err
