import pytest

from worker.__main__ import main


@pytest.mark.parametrize(
    ("name", "hint"),
    [("ZOOMIN_KAFKA_GROUP_ID", "; did you mean ZOOMIN_KAFKA__GROUP_ID?"), ("ZOOMIN_PORT", "")],
)
def test_a_stray_name_is_a_warning_with_its_suggestion(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, hint: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert main(["check"]) == 0
    printed = capsys.readouterr()
    assert printed.err == f"zoomin check: warning: {name} is not a setting and is ignored{hint}\n"
    assert name not in printed.out


def test_without_stray_names_nothing_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--json"]) == 0
    assert capsys.readouterr().err == ""


def test_a_stray_name_is_named_beside_a_wrong_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZOOMIN_KAFKA_GROUP_ID", "1")
    monkeypatch.setenv("ZOOMIN_FLOW__MAX_SPAN", "many")
    assert main(["check"]) == 2
    assert "did you mean ZOOMIN_KAFKA__GROUP_ID?" in (printed := capsys.readouterr().err)
    assert "ZOOMIN_FLOW__MAX_SPAN: " in printed
