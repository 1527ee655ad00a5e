import pytest
import torch
from transformers import AutoProcessor, PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline.checkpoint import Checkpoint, CheckpointCard
from tests.support.paths import MODEL
from training.qwen import tensors, tokens
from training.runs import prompts as run_prompts
from training.runs.prompts import Prompt
from training.synthetic import scene_files
from training.validation import greedy
from training.validation.greedy import GreedyGenerator


@pytest.fixture(scope="module")
def generator() -> GreedyGenerator:
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(MODEL, dtype=torch.float32)
    return GreedyGenerator(model, AutoProcessor.from_pretrained(MODEL).tokenizer, Checkpoint.read(MODEL).card, 60)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Prompt]:
    directory = tmp_path_factory.mktemp("set")
    entries = [scene_files.write_scene(directory, seed) for seed in range(7_000_000, 7_000_004)]
    scans = run_prompts.build_scan_prompts(directory, entries)
    own = [entry.regions for entry in entries]
    return scans + run_prompts.build_check_prompts(
        directory, entries, own, max_crops=8, own_fraction=1.0, scan_fraction=0.0, seed=0
    )


def test_answers_come_in_the_order_of_their_questions(generator: GreedyGenerator, built: list[Prompt]) -> None:
    done: list[int] = []
    generator.model.train()
    answers = generator.generate(built, done.append)
    assert generator.model.training, "the model goes on training"
    assert done == [len(built)]
    assert all(answer.verdict for answer in answers)
    assert all(answer.regions for answer in answers[:4])
    for answer, prompt in zip(answers[4:], built[4:], strict=True):
        assert answer.explanation.count("Crop ") == len(prompt.crops or ())


def test_a_batch_changes_no_answer(generator: GreedyGenerator, built: list[Prompt]) -> None:
    together = generator.generate(built, lambda _: None)
    alone = [answer for prompt in built for answer in generator.generate([prompt], lambda _: None)]
    assert together == alone


def test_fewer_rows_are_answered_at_once_where_they_are_long() -> None:
    card = CheckpointCard()
    assert greedy.count_batch_rows(card, 0, 60) == greedy.MOST_ROWS
    assert greedy.count_batch_rows(card, 8, 512) == 10
    assert greedy.count_batch_rows(card, 8, 10**6) == 1


def test_the_checkpoint_s_repetition_penalty_changes_no_answer(
    generator: GreedyGenerator, built: list[Prompt], monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = generator.generate(built[:2], lambda _: None)
    monkeypatch.setattr(generator.model.generation_config, "repetition_penalty", 5.0)
    assert generator.generate(built[:2], lambda _: None) == answers


def test_queries_are_padded_on_the_left(generator: GreedyGenerator, built: list[Prompt]) -> None:
    rendered = [run_prompts.render_prompt(prompt, generator.card) for prompt in built[3:5]]
    collator = tensors.Collator(generator.tokenizer)
    batch = collator.collate_prompts([prompt.query for prompt in rendered])
    rows = [collator.encode_prompt(prompt.query) for prompt in rendered]
    assert len(rows[0]) < len(rows[1]) == batch["input_ids"].shape[1]
    for number, row in enumerate(rows):
        assert batch["input_ids"][number, -len(row) :].tolist() == row
        assert batch["attention_mask"][number].sum() == len(row)
        assert batch["attention_mask"][number, -1] == 1


def test_no_special_token_but_the_last_is_sampled(tokenizer: PreTrainedTokenizerFast) -> None:
    forbidden = greedy.list_forbidden_tokens(tokenizer)
    words = tokenizer.convert_ids_to_tokens(forbidden)
    assert set(words) == set(tokens.SPECIALS) - {tokens.IM_END}
    assert tokenizer.eos_token_id not in forbidden
