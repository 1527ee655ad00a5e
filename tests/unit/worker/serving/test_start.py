from pipeline import prompts
from pipeline.checkpoint import PROMPT_VERSION, Checkpoint
from pipeline.machine import count_cores
from pipeline.vllm.options import choose_fronts
from pipeline.vllm.runtime import is_cpu_build
from tests.support.paths import MODEL
from worker.common.sections import EngineSettings
from worker.serving.start import build_engine_options, build_model_ref


def test_a_verdict_names_the_checkpoint_the_prompts_and_the_engine() -> None:
    checkpoint = Checkpoint.read(MODEL)
    ref = build_model_ref(checkpoint, "vllm 0.1")
    assert (ref.name, ref.revision, ref.engine) == (checkpoint.name, checkpoint.revision, "vllm 0.1")
    assert (ref.prompt_version, ref.prompt_sha256) == (PROMPT_VERSION, prompts.compute_fingerprint("thousand"))


def test_the_engine_gets_what_the_settings_say() -> None:
    settings = EngineSettings(
        fronts=3, processor_cache_mib=700, max_num_seqs=256, query_timeout_s=9, start_timeout_s=90
    )
    options = build_engine_options(settings, max_in_flight=384)
    assert (options.fronts, options.processor_cache_mib, options.max_in_flight) == (3, 700, 384)
    assert (options.max_num_seqs, options.query_timeout_s, options.start_timeout_s) == (256, 9, 90)


def test_fronts_follow_the_machine_where_none_are_set_and_never_exceed_the_events_in_flight() -> None:
    options = build_engine_options(EngineSettings(), max_in_flight=384)
    assert options.fronts == choose_fronts(count_cores(), on_cpu=is_cpu_build())
    assert build_engine_options(EngineSettings(fronts=3), max_in_flight=2).fronts == 2
