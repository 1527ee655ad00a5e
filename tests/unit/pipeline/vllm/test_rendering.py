import json
import shutil
from pathlib import Path

import pytest
from PIL import Image

from pipeline import prompts
from pipeline.checkpoint import CARD_NAME, Checkpoint
from pipeline.engine import Query
from pipeline.errors import BadSettings
from pipeline.images import build_model_image
from pipeline.verdict import Verdict
from pipeline.vllm.rendering import Renderer
from tests.support.paths import MODEL
from tests.support.qwen import copy_with_qwen_vocabulary

VIEW = build_model_image(Image.new("RGB", (140, 140)))


def build_queries(crops: int = 2) -> tuple[Query, Query]:
    return prompts.build_global_scan(VIEW, "thousand"), prompts.build_local_check(VIEW, [VIEW] * crops, "thousand")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(Checkpoint.read(MODEL), max_model_len=4096)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    shutil.copytree(MODEL, tmp_path / "model", ignore=shutil.ignore_patterns("*.safetensors"))
    return tmp_path / "model"


def rewrite(path: Path, **changed: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def test_both_prompts_begin_alike_and_end_in_the_start_of_the_answer(renderer: Renderer) -> None:
    scan, check = map(renderer.render_prompt, build_queries())
    shared = next(at for at, (a, b) in enumerate(zip(scan, check, strict=False)) if a != b)
    pad = renderer._tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert pad in scan[:shared], "the prefix cache holds the image"
    assert (scan.count(pad), check.count(pad)) == (1, 3)
    for ids in (scan, check):
        assert renderer._tokenizer.decode(ids).endswith("<|im_start|>assistant\n<verdict>")


def test_a_prompt_of_one_shape_is_encoded_once(renderer: Renderer) -> None:
    assert renderer.render_prompt(build_queries()[1]) is renderer.render_prompt(build_queries()[1])
    assert renderer.render_prompt(build_queries(1)[1]) != renderer.render_prompt(build_queries(2)[1])


@pytest.mark.parametrize("vocabulary", ["tiny", "qwen"])
def test_an_answer_is_decoded_exactly_wherever_it_is_cut(renderer: Renderer, vocabulary: str, tmp_path: Path) -> None:
    if vocabulary == "qwen":
        checkpoint = Checkpoint.read(copy_with_qwen_vocabulary(MODEL, tmp_path / "qwen"))
        renderer = Renderer(checkpoint, max_model_len=4096)
    printable = "".join(chr(code) for code in range(32, 127) if chr(code) != "<")
    text = prompts.render_scan(
        Verdict.GENERATED, [(1, 22, 333, 1000)], f"It's not sharp , is it ? 've  n't {printable} "
    ).removeprefix(prompts.ANSWER_START)
    ids = renderer._encode(text)
    assert renderer.decode_answer([*ids, renderer._tokenizer.eos_token_id]) == text
    for end in range(len(ids) + 1):
        assert text == renderer.decode_answer(ids[:end]) + renderer.decode_answer(ids[end:])


def test_a_context_that_cannot_hold_all_is_refused() -> None:
    with pytest.raises(
        BadSettings, match=r"ZOOMIN_ENGINE__MAX_MODEL_LEN .*ZOOMIN_TRAIN_MAX_MODEL_LEN\): 600 tokens .* 8 crops"
    ):
        Renderer(Checkpoint.read(MODEL), max_model_len=600)


def test_the_checkpoints_own_limit_holds(checkpoint: Path) -> None:
    text = json.loads((checkpoint / "config.json").read_text())["text_config"]
    rewrite(checkpoint / "config.json", text_config=text | {"max_position_embeddings": 900})
    with pytest.raises(BadSettings, match="900 tokens"):
        Renderer(Checkpoint.read(checkpoint), max_model_len=4096)


def test_a_processor_that_would_resize_our_views_is_refused(checkpoint: Path) -> None:
    rewrite(checkpoint / CARD_NAME, scan_max_pixels=64 * 28 * 28 * 1000)
    with pytest.raises(BadSettings, match="scan_max_pixels"):
        Renderer(Checkpoint.read(checkpoint), max_model_len=4096)


def test_a_checkpoint_without_a_processor_is_incomplete(checkpoint: Path) -> None:
    (checkpoint / "preprocessor_config.json").unlink()
    with pytest.raises(BadSettings, match="is incomplete"):
        Renderer(Checkpoint.read(checkpoint), max_model_len=4096)
