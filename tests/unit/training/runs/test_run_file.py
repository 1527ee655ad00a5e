from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from training.runs.profiles import ResolvedProfile
from training.runs.run_file import NO_FILE, read_run_file
from training.sft.profiles import SftProfile, resolve_sft_profile

PROFILES = ("paper", "production", "tiny")


def resolve(path: Path, text: str, **changes: object) -> ResolvedProfile[SftProfile]:
    path.write_text(text)
    return resolve_sft_profile("paper", changes, read_run_file(path, PROFILES))


def test_a_flag_comes_before_the_file_and_the_file_before_the_profile(tmp_path: Path) -> None:
    resolved = resolve(tmp_path / "run.yaml", "rows: 8\nepochs: 3\nlearning_rate: 3e-5\n", epochs=0.5)
    values = resolved.values
    assert (values.rows, values.epochs, values.learning_rate, values.weight_decay) == (8, 0.5, 3e-5, 0.1)
    assert resolved.changed == ("epochs", "learning_rate", "rows")


def test_the_record_is_that_of_the_same_values_as_flags(tmp_path: Path) -> None:
    from_file = resolve(tmp_path / "run.yaml", "trained: lora\nrows: 8\n")
    assert from_file.to_json() == resolve_sft_profile("paper", {"trained": "lora", "rows": 8}).to_json()
    assert from_file.values.dtype == "bfloat16", "as with --lora"


def test_the_file_may_name_its_profile(tmp_path: Path) -> None:
    (tmp_path / "run.yaml").write_text("profile: tiny\nrows: 8\n")
    file = read_run_file(tmp_path / "run.yaml", PROFILES)
    assert (file.profile, file.values) == ("tiny", {"rows": 8})
    assert read_run_file(None) is NO_FILE


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("learnin_rate: 1", "learnin_rate is not a value of this run; did you mean learning_rate?"),
        ("zzz: 1", "zzz is not a value of this run; choose one of trained"),
        ("rows: 0", "rows is 0; it must be 1 or more"),
        ("rows: true", "rows is True; it must be a whole number"),
        ("epochs: 0", "epochs is 0; it must be more than 0"),
        ("warm_up_fraction: 1.5", "warm_up_fraction is 1.5; it must be 1 or less"),
        ("rows: many", "rows is many; it must be a whole number"),
        ("learning_rate: .nan", "learning_rate is nan; it must be a finite number"),
        ("checkpointing: perhaps", "checkpointing is perhaps; it must be true or false"),
        ("schedule: cosin", "schedule is cosin; did you mean cosine?"),
        ("micro_batch: 5", "micro_batch is 5; it must divide rows, 32"),
        ("profile: papr", "profile is papr; did you mean paper?"),
    ],
)
def test_a_wrong_value_is_one_sentence_with_its_file_and_the_remedy(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    with pytest.raises(BadSettings) as refused:
        resolve(path, text)
    assert refused.value.detail.startswith(f"{path}: {message}")
    assert "\n" not in refused.value.detail


def test_a_wrong_flag_is_not_blamed_on_the_file(tmp_path: Path) -> None:
    with pytest.raises(BadSettings) as refused:
        resolve(tmp_path / "run.yaml", "rows: 8", rows=0)
    assert refused.value.detail == "rows is 0; it must be 1 or more"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- rows\n- 8\n", "is not a mapping"),
        ("rows: [", "is not YAML"),
        ("", "is not a mapping"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(text: str | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "run.yaml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadSettings, match=message) as refused:
        read_run_file(path)
    assert "\n" not in refused.value.detail
