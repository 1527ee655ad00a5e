from pathlib import Path

import pytest

from training.__main__ import main


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "sets"], "the labeling bucket and --base are needed"),
        (["bucket", "--base", "set", "--out", "sets"], "it is written s3://bucket"),
        (["--fetch", "s3://sets/night/abc", "--out", "s3://sets/other"], "is fetched from s3://bucket/name/DIGEST"),
        (["--fetch", "abc", "--out", "sets"], "is fetched from s3://bucket/name/DIGEST"),
    ],
)
def test_options_that_do_not_fit_are_answered_with_the_command_that_does(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["snapshot", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_share_is_less_than_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["snapshot", "s3://labels", "--base", "set", "--out", str(tmp_path), "--base-share", "1"])
    assert "--base-share: must lie between 0 and 1" in capsys.readouterr().err
