from pathlib import Path

import pytest

from tests.support.paths import MODEL
from tests.support.stages import RESULT
from training.__main__ import main
from training.stages.results_file import write_result


def test_a_dry_run_prints_the_plan_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    typed = ["--start", str(MODEL), "--start-noise", "0.4", "--arms", "control", "stage_1", "--seeds", "0", "1"]
    assert main(["stages", *typed, "--out", str(out), "--results", str(out / "stages.json"), "--dry-run"]) == 0
    printed = capsys.readouterr().out
    assert "60 steps of 128 answers" in printed
    assert "seed 1, stage_1: GRPO stage 1, about" in printed
    assert not out.exists()


def test_a_result_of_another_run_is_refused_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, out = tmp_path / "stages.json", tmp_path / "out"
    start = RESULT.arms["start"].model_copy(update={"seeds": [0, 1, 2]})
    write_result(file, RESULT.model_copy(update={"arms": {"start": start}}))
    before = file.read_bytes()
    assert main(["stages", "--start", str(MODEL), "--out", str(out), "--results", str(file)]) == 2
    assert "has 3 finished arms of all seeds, and this run would replace them by 1; name" in capsys.readouterr().err
    assert file.read_bytes() == before
    assert not out.exists()


@pytest.mark.parametrize(
    ("typed", "problem"),
    [
        (["--steps", "3"], "--steps is 3; it must be even, because arms with both stages give each half"),
        (["--generations", "1"], "--generations must be 2 or more, and --prompts times --generations even"),
        (["--start-noise", "0.4"], "--start-noise damages a given start; name it with --start"),
        (["--minutes", "0"], "--start-noise must be 0 or more, --start-minutes and --minutes more than 0"),
    ],
)
def test_options_that_do_not_fit_are_one_sentence(
    typed: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stages", *typed, "--dry-run"]) == 2
    assert capsys.readouterr().err == f"zoomin-train stages: {problem}\n"
