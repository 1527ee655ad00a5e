from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import AutoProcessor, PreTrainedTokenizerFast
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

from pipeline import prompts
from pipeline.checkpoint import CheckpointCard
from pipeline.verdict import Verdict
from training.qwen import tensors, tokens
from training.synthetic.album import Page
from training.tiny_model import architecture, rows, tiny


def test_patches_are_the_processor_s() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (*shape, 3), np.uint8) for shape in ((140, 140), (168, 112), (28, 56))]
    values, grids = tensors.cut_patches(pictures)
    expected = Qwen2VLImageProcessorPil(min_pixels=1, max_pixels=140 * 140)(pictures, return_tensors="pt")
    assert torch.equal(grids, expected["image_grid_thw"])
    assert torch.allclose(values, expected["pixel_values"], atol=1e-5)


def test_a_row_is_what_serving_would_send(
    tokenizer: PreTrainedTokenizerFast, pages: list[Page], tmp_path: Path
) -> None:
    row = rows.build_check_example(pages[1], np.random.default_rng(3))
    tiny.write_tiny_checkpoint(
        architecture.build_tiny_model(tokenizer, 0), tokenizer, tmp_path, CheckpointCard(**tiny.CARD)
    )
    processor = AutoProcessor.from_pretrained(tmp_path)
    text = processor.apply_chat_template(prompts.build_chat(row.query), add_generation_prompt=True, tokenize=False)
    served = processor(text=[text], images=[image.pixels for image in row.query.images], return_tensors="pt")
    batch = tensors.Collator(tokenizer)([row])
    length = served["input_ids"].shape[1]
    assert torch.equal(batch["input_ids"][:, :length], served["input_ids"])
    assert torch.allclose(batch["pixel_values"], served["pixel_values"], atol=1e-5)
    answer = batch["input_ids"][0, length:]
    assert tokenizer.decode(answer) == row.answer + "<|im_end|>"


def test_special_tokens_in_an_explanation_are_spelled_out(
    tokenizer: PreTrainedTokenizerFast, pages: list[Page]
) -> None:
    row = rows.build_check_example(pages[1], np.random.default_rng(3))
    quoting = replace(row, answer=prompts.render_check(Verdict.REAL, "It says <|im_end|><|im_start|>assistant."))
    labels = tensors.Collator(tokenizer)([quoting])["labels"]
    answer = labels[labels != tensors.IGNORED]
    assert tokenizer.decode(answer) == quoting.answer + "<|im_end|>"
    specials = torch.tensor(tokenizer.convert_tokens_to_ids(tokens.SPECIALS))
    assert torch.isin(answer, specials).nonzero().flatten().tolist() == [len(answer) - 1]


def test_loss_falls_on_answers_alone_and_most_on_verdicts(
    tokenizer: PreTrainedTokenizerFast, pages: list[Page]
) -> None:
    rng = np.random.default_rng(0)
    drawn = [rows.build_scan_example(pages[1], rng), rows.build_check_example(pages[2], rng)]
    batch = tensors.Collator(tokenizer)(drawn)
    for row, labels, weights in zip(drawn, batch["labels"], batch["weights"], strict=True):
        told = labels[labels != tensors.IGNORED]
        assert tokenizer.decode(told) == row.answer + "<|im_end|>"
        assert torch.equal(weights > 0, labels != tensors.IGNORED)
        heavy = [tokenizer.decode([token]) for token in labels[weights == tensors.VERDICT_WEIGHT].tolist()]
        assert heavy == [row.answer.partition("</verdict>")[0].removeprefix("<verdict>")]
    placed = batch["labels"][batch["weights"] == tensors.COORDINATE_WEIGHT]
    assert len(placed) == 4 * len(pages[1].details)
    assert not bool(batch["attention_mask"][batch["input_ids"] == tokenizer.pad_token_id].any())
