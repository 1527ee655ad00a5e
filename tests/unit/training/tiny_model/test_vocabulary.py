import string

import pytest
from PIL import Image
from transformers import PreTrainedTokenizerFast

from pipeline import prompts
from pipeline.confidence import VerdictTokens
from pipeline.images import build_model_image
from pipeline.verdict import BoundingBox
from training.tiny_model import vocabulary

VIEW = build_model_image(Image.new("RGB", (140, 140)))


def encode(tokenizer: PreTrainedTokenizerFast, text: str) -> list[int]:
    return list(tokenizer.encode(text, add_special_tokens=False))


def test_any_text_survives(tokenizer: PreTrainedTokenizerFast) -> None:
    text = string.printable + "größer 画像 \x00"
    assert tokenizer.decode(encode(tokenizer, text)) == text


def test_coordinates_and_tags_are_one_token_each(tokenizer: PreTrainedTokenizerFast) -> None:
    answer = prompts.render_scan("real", [(0, 20, 980, 1000)], "The tone looks balanced.")
    words = [tokenizer.decode([token]) for token in encode(tokenizer, answer)]
    assert words[:12] == ["<verdict>", "real", "</verdict>", "<boxes>", "[", "0", ",", "20", ",", "980", ",", "1000"]


def test_the_verdict_has_a_token_right_after_its_tag(tokenizer: PreTrainedTokenizerFast) -> None:
    tokens = VerdictTokens.find(lambda text: encode(tokenizer, text), prompts.ANSWER_START)
    assert tokenizer.decode([tokens.real, tokens.generated]) == "realgenerated"


def test_instructions_stay_short(tokenizer: PreTrainedTokenizerFast) -> None:
    assert len(encode(tokenizer, prompts.build_global_scan(VIEW, "thousand").instructions)) <= 130


def test_the_template_is_qwen_s(tokenizer: PreTrainedTokenizerFast) -> None:
    query = prompts.build_local_check(VIEW, [VIEW], "thousand")
    text = tokenizer.apply_chat_template(prompts.build_chat(query), tokenize=False, add_generation_prompt=True)
    image = "<|vision_start|><|image_pad|><|vision_end|>"
    assert text == (
        f"<|im_start|>system\n{query.instructions}<|im_end|>\n"
        f"<|im_start|>user\n{image}Crop 1:{image}Query 2: check the crops.<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize(
    ("box", "corners"), [((0, 0, 512, 512), (0, 0, 1000, 1000)), ((5, 6, 250, 260), (0, 20, 480, 500))]
)
def test_boxes_go_to_the_nearest_coordinate(box: tuple[int, ...], corners: tuple[int, ...]) -> None:
    assert vocabulary.round_to_grid(BoundingBox(*box)) == corners
