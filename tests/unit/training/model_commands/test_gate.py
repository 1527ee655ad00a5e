from pathlib import Path

import pytest

from tests.support.paths import ROOT
from training.__main__ import main
from training.gate import demands
from training.model_commands import gate

MODEL = str(ROOT / "models" / "zoomin-tiny")


def refuse(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["gate", MODEL, "--champion", MODEL, *words]) == 2
    printed = capsys.readouterr().err
    assert printed.count("\n") == 1
    return printed.removeprefix("zoomin-train gate: ")


def test_the_profiles_are_those_of_the_room() -> None:
    assert tuple(demands.PROFILES) == gate._PROFILES


def test_bad_input_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert refuse(capsys, "--golden", str(tmp_path)).startswith(f"no manifest.jsonl in {tmp_path}; ")
    assert refuse(capsys, "--golden", f"{tmp_path}:gold").startswith(f"{tmp_path}:gold: there is no split gold; ")
    assert refuse(capsys, "--config", str(tmp_path / "no.yaml")).startswith(f"{tmp_path / 'no.yaml'} cannot be read")
    assert main(["gate", str(tmp_path), "--champion", MODEL]) == 2
    assert capsys.readouterr().err.startswith("zoomin-train gate: no model in ")


def test_a_gate_without_any_set_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert refuse(capsys).startswith("there is no set to compare on; name one with --golden, --base or --new")
