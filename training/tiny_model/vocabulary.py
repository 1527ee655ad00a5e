"""The tiny model's tokenizer: byte-level BPE learned from our own queries and answers, with Qwen's special tokens.

Every byte has a token, so no text is lost; tags are words of their own; the coordinates that answers use are one token
each.
"""

from collections.abc import Iterator

import numpy as np
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from pipeline import images, prompts
from pipeline.verdict import BoundingBox, Verdict
from training.dataset import drawn_crops
from training.qwen.tokens import (
    COORDINATES,
    END_OF_TEXT,
    GRID,
    IM_END,
    IMAGE_PAD,
    MAX_TINY_VOCABULARY,
    SPECIALS,
    VIDEO_PAD,
)
from training.synthetic import scenes
from training.synthetic.scenes import Detail

# What Qwen2.5-VL's own template does with our messages: text as it is, an image as its three tokens.
CHAT_TEMPLATE = (
    "{%- for message in messages -%}{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.content is string -%}{{ message.content }}"
    "{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{ part.text }}"
    "{%- else -%}<|vision_start|><|image_pad|><|vision_end|>{%- endif -%}"
    "{%- endfor -%}{%- endif -%}{{ '<|im_end|>\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
WORDS = r"</?[a-z]+>|<| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}<]+|\s+"


def round_to_grid(box: BoundingBox) -> tuple[int, int, int, int]:
    """Return the box in thousandths of the scene's side, each rounded to a coordinate that has a token."""
    x1, y1, x2, y2 = (round(edge / scenes.SIDE_PX * 1000 / GRID) * GRID for edge in box.corners)
    return x1, y1, x2, y2


def train_tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer; it is the same one each time.

    Raises: ValueError when a coordinate or verdict got no token of its own.
    """
    tokenizer = Tokenizer(models.BPE())
    words = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    to_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, to_bytes])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=MAX_TINY_VOCABULARY,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIALS,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_generate_corpus(), trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token=IM_END,
        pad_token=END_OF_TEXT,
        model_max_length=4096,
        extra_special_tokens={"image_token": IMAGE_PAD, "video_token": VIDEO_PAD},
    )
    fast.chat_template = CHAT_TEMPLATE
    for word in [*map(str, COORDINATES), *Verdict]:
        if len(fast.encode(word, add_special_tokens=False)) != 1:
            raise ValueError(f"the tokenizer gave {word!r} no token of its own")
    return fast


def _generate_corpus() -> Iterator[str]:
    """Yield each sentence of queries and reference answers often enough for every word to become a token."""
    blank = images.build_model_image(Image.new("RGB", (28, 28)))
    queries = [prompts.build_global_scan(blank, "thousand")]
    queries += [prompts.build_local_check(blank, [blank] * crops, "thousand") for crops in range(9)]
    texts = [part for query in queries for part in (query.instructions, *query.content) if isinstance(part, str)]
    rng = np.random.default_rng(0)
    for number in range(300):
        yield from texts
        yield "system\nuser\nassistant\n"
        label = list(Verdict)[number % 2]
        details = tuple(_draw_detail(rng, label) for _ in range(3))
        boxes = [round_to_grid(detail.box) for detail in details]
        yield prompts.render_scan(label, boxes, scenes.explain_scan(label, details))
        yield prompts.render_check(label, scenes.explain_check((*details, None)))
        yield prompts.render_check(label, scenes.explain_check(()))
        yield from (f"[{coordinate}," for coordinate in COORDINATES)


def _draw_detail(rng: np.random.Generator, label: Verdict) -> Detail:
    kind = list(scenes.Kind)[rng.integers(0, len(scenes.Kind))]
    artifact = list(scenes.Artifact)[rng.integers(0, len(scenes.Artifact))] if label is Verdict.GENERATED else None
    return Detail(drawn_crops.draw_stray_box(rng, (scenes.SIDE_PX, scenes.SIDE_PX)), kind, artifact)
