from pipeline import prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from tests.support.paths import MODEL
from worker.serving.start import build_model_ref


def test_a_verdict_names_the_checkpoint_the_prompts_and_the_engine() -> None:
    checkpoint = Checkpoint.read(MODEL)
    ref = build_model_ref(checkpoint, "vllm 0.1")
    assert (ref.name, ref.revision, ref.engine) == (checkpoint.name, checkpoint.revision, "vllm 0.1")
    assert (ref.prompt_version, ref.prompt_sha256) == (PROMPT_VERSION, prompts.compute_fingerprint("thousand"))
