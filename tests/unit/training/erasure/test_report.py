from pathlib import Path

from training.erasure.answers import SetJournal
from training.erasure.checkpoints import TrainedCheckpoint
from training.erasure.forget import ForgetResult
from training.erasure.report import convert_result, describe_result

RESULT = ForgetResult(
    images={"a" * 64: ["cases/2026/01/01/case-1.json"]},
    tasks=1,
    copies=[Path("set/case-1.png")],
    answers=[Path("cache/answers/model-1.jsonl")],
    journals=[SetJournal(Path("set/journal.jsonl"), frozenset())],
    snapshots=["s3://sets/night/abc"],
    checkpoints=[TrainedCheckpoint(Path("build/model"), "sha256:1")],
    objects=3,
)


def test_each_place_has_its_line_and_a_dry_run_says_so() -> None:
    lines = "\n".join(describe_result(RESULT, dry_run=False))
    for part in ("1 images with 1 cases deleted", "a" * 64, "1 tasks", "set/case-1.png", "s3://sets/night/abc"):
        assert part in lines
    for part in ("1 files with answers of models deleted", "answers about it in set/journal.jsonl deleted"):
        assert part in lines
    assert "build/model was trained on it (revision sha256:1)" in lines
    assert "would be deleted" in next(describe_result(RESULT, dry_run=True))


def test_nothing_found_names_what_can_be_done() -> None:
    (line,) = describe_result(ForgetResult(), dry_run=False)
    assert "--sha256" in line


def test_what_ended_early_claims_neither_a_deletion_nor_that_nothing_was_found() -> None:
    for result in (RESULT, ForgetResult()):
        lines = list(describe_result(result, dry_run=False, ended_early=True))
        assert lines[0] == "not finished: the same command finishes it"
        assert not [line for line in lines if line.endswith(" deleted") and "perhaps not" not in line]
        assert not [line for line in lines if "tombstone" in line or "no case" in line]


def test_programs_get_the_same() -> None:
    found = convert_result(RESULT, "away")
    assert (found["answers"], found["journals"]) == (["cache/answers/model-1.jsonl"], ["set/journal.jsonl"])
    assert (found["objects"], found["tasks"], found["copies"], found["error"]) == (3, 1, ["set/case-1.png"], "away")
