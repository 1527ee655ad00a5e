from training.dry_run import served_memory
from training.dry_run.shape import ModelShape
from training.sft.profiles import SftProfile, resolve_sft_profile

SHAPE = ModelShape.read("7b")


def resolve(**changes: object) -> SftProfile:
    return resolve_sft_profile("production", changes).values


def test_the_served_model_is_whole_and_in_bfloat16_however_it_was_trained() -> None:
    for profile in (resolve(), resolve(trained="lora")):
        assert served_memory.estimate_served(SHAPE, profile)["weights"] == 8_292_166_656 * 2


def test_more_rows_of_shorter_answers_hold_no_more_tokens_than_a_batch_may() -> None:
    long, short = (
        served_memory.estimate_greedy(SHAPE, resolve(validation_tokens=tokens), 2, crops=8)["cache"]
        for tokens in (4096, 64)
    )
    assert 0.7 < short / long < 1.4
