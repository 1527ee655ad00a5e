import pytest

from training.__main__ import main


@pytest.mark.parametrize("verb", ["list", "show"])
@pytest.mark.parametrize(
    "address", ["weights", "s3://weights", "s3://weights/models/Zoom In", "s3://w/models/a/revisions/sha256-1"]
)
def test_an_address_that_is_none_shows_how_one_is_written(
    verb: str, address: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["models", verb, address])
    assert ended.value.code == 2
    assert "s3://bucket/models/NAME" in capsys.readouterr().err
