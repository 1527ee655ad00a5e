from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pipeline.checkpoint import CARD_NAME, Calibration, Checkpoint, CheckpointCard
from training.reports import model_card
from training.tiny_model import chain
from training.tiny_model.chain import Chain

PLAIN = CheckpointCard()


def checkpoint(directory: Path, weights: bytes, card: CheckpointCard = PLAIN) -> Checkpoint:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "model.safetensors").write_bytes(weights)
    (directory / CARD_NAME).write_text(card.model_dump_json())
    (directory / "config.json").write_text("{}")
    return Checkpoint.read(directory)


@dataclass(slots=True)
class Commands:
    """`zoomin-train` without its work: each command leaves the directory that it would; the verb `fails` does not."""

    fails: str = ""
    calls: list[list[str]] = field(default_factory=list)

    def __call__(self, arguments: list[str]) -> int:
        self.calls.append(arguments)
        if arguments[0] == self.fails:
            return 7
        if arguments[0] == "calibrate":
            directory = Path(arguments[1])
            card = Checkpoint.read(directory).card
            model_card.write_checkpoint_card(directory, card.model_copy(update={"calibration": Calibration(bias=1)}))
        else:
            checkpoint(Path(arguments[arguments.index("--out") + 1]), " ".join(arguments[:2]).encode())
        return 0

    @property
    def verbs(self) -> list[str]:
        return [call[0] for call in self.calls]


def build_chain(tmp_path: Path, start: Checkpoint | None = None) -> Chain:
    return Chain(work=tmp_path / "work", seed=3, minutes=5, sizes=chain.STANDARD, start=start)


def test_each_stage_starts_from_the_one_before(tmp_path: Path) -> None:
    commands, stage_chain = Commands(), build_chain(tmp_path)
    assert stage_chain.run_stages(commands) == 0
    assert commands.verbs == ["tiny", "grpo", "grpo", "calibrate"]
    tiny, first, second, calibrate = commands.calls
    assert tiny[1:5] == ["--seed", "3", "--minutes", "5"]
    assert first[1:4] == [str(stage_chain.locate_stage("sft")), "--stage", "1"]
    assert second[1:4] == [str(stage_chain.locate_stage("grpo_1")), "--stage", "2"]
    for grpo in (first, second):
        assert {"tiny", "3", "20"} < set(grpo), "profile, seed and minutes"
        assert grpo[grpo.index("--publish-dtype") + 1] == "float32"
        assert grpo[grpo.index("--refused") + 1] == f"{grpo[grpo.index('--out') + 1]}-refused"
    assert calibrate[2:] == ["--count", "1000"]
    assert stage_chain.read_checkpoint("calibrated").card.calibration == Calibration(bias=1)
    assert stage_chain.read_checkpoint("grpo_2").card.calibration is None, "what was trained stays as it was trained"


@pytest.mark.parametrize("verb", ["tiny", "grpo", "calibrate"])
def test_a_chain_that_failed_goes_on_at_its_stage(verb: str, tmp_path: Path) -> None:
    failing, commands = Commands(fails=verb), Commands()
    assert build_chain(tmp_path).run_stages(failing) == 7
    assert build_chain(tmp_path).run_stages(commands) == 0
    whole = ["tiny", "grpo", "grpo", "calibrate"]
    assert commands.verbs == whole[whole.index(verb) :]
    again = Commands()
    assert build_chain(tmp_path).run_stages(again) == 0
    assert again.calls == [], "what is finished is not done again"


def test_half_a_directory_is_not_finished(tmp_path: Path) -> None:
    stage_chain = build_chain(tmp_path)
    stage_chain.run_stages(Commands())
    (stage_chain.locate_stage("grpo_2") / "config.json").unlink()
    (stage_chain.locate_stage("sft") / CARD_NAME).unlink()
    commands = Commands()
    stage_chain.run_stages(commands)
    assert [call[0] for call in commands.calls] == ["tiny", "grpo"]
    assert "--stage 2" in " ".join(commands.calls[1])


def test_a_start_is_the_first_stage_without_what_was_measured_and_fitted(tmp_path: Path) -> None:
    card = CheckpointCard(box_frame="thousand", calibration=Calibration(bias=2), metrics={"acc": 1}, trained_on="set")
    start = checkpoint(tmp_path / "start", b"fine-tuned", card)
    (start.path / "README.md").write_text("figures of old")
    commands, stage_chain = Commands(), build_chain(tmp_path, start)
    assert stage_chain.run_stages(commands) == 0
    assert commands.verbs == ["grpo", "grpo", "calibrate"]
    adopted = stage_chain.read_checkpoint("sft")
    assert adopted.card == CheckpointCard(box_frame="thousand", trained_on="set")
    assert (adopted.path / "model.safetensors").read_bytes() == b"fine-tuned"
    assert not (adopted.path / "README.md").exists()


def test_the_run_file_is_for_training_from_nothing(tmp_path: Path) -> None:
    commands = Commands()
    replace(build_chain(tmp_path), config=Path("tiny.yaml")).run_stages(commands)
    assert [arguments[-2:] == ["--config", "tiny.yaml"] for arguments in commands.calls] == [True, False, False, False]
