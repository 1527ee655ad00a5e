from pathlib import Path

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from training.sft.profiles import PROFILES, resolve_sft_profile
from training.sft.run_config import SftRun


def test_the_run_directory_lies_in_the_checkpoint_s() -> None:
    resolved = resolve_sft_profile("tiny", {})
    run = SftRun(Checkpoint.read(MODEL), resolved, Path("set"), Path("out"), seed=0, threads=1, validation=Path("set"))
    assert run.directory == Path("out/sft")
    assert run.profile == PROFILES["tiny"]
