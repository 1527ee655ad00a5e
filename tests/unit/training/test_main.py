import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from training.__main__ import VERBS, main


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([verb, "--help"])
    assert ended.value.code == 0
    assert f"Example: zoomin-train {verb}" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert main(["scenes", "--count", "2", "--out", str(tmp_path / "file" / "inside")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_help_of_every_verb_imports_nothing_heavy() -> None:
    """In a process of its own, as the tests import torch."""
    script = """
import contextlib, io, sys
from tests.support.paths import ROOT
from training.__main__ import VERBS, main
for verb in VERBS:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        main([verb, "--help"])
print(*sorted({"torch", "transformers", "trl", "vllm", "scipy", "sklearn"} & sys.modules.keys()))
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == []
