import json
from pathlib import Path

import pytest

from pipeline.sandbox.confinement import LAYERS
from worker.__main__ import main

REFUSAL = """
import errno, os
from pipeline.sandbox import seccomp

def refuse():
    raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

seccomp.apply_filter = refuse
"""


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


def test_it_names_the_layers_that_confine_a_decoder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert "decoder: confined by " in capsys.readouterr().out
    assert main(["check", "--json"]) == 0
    decoder = json.loads(capsys.readouterr().out)["decoder"]
    assert {*decoder["holding"], *decoder["refused"]} == set(LAYERS)


def test_it_names_the_layers_that_the_kernel_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sitecustomize.py").write_text(REFUSAL)
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["check"]) == 0
    assert "decoder: the kernel refuses seccomp (Invalid argument)" in capsys.readouterr().out
