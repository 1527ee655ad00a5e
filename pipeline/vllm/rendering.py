"""Renders queries to the token ids of one checkpoint; an engine gets these and the pixels."""

from collections.abc import Sequence

from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from pipeline import geometry, images, prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.confidence import VerdictTokens
from pipeline.engine import Query
from pipeline.errors import BadSettings


class Renderer:
    """The chat template and vocabulary of one checkpoint, checked against our views."""

    def __init__(self, checkpoint: Checkpoint, *, max_model_len: int) -> None:
        """Load the tokenizer; `max_model_len` is lowered to the checkpoint's own limit.

        Raises: BadSettings if the checkpoint cannot take prompts of the form that its card names.
        """
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(checkpoint.path)
            processor = AutoImageProcessor.from_pretrained(checkpoint.path)
            text = AutoConfig.from_pretrained(checkpoint.path).get_text_config()
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0][:300]
            raise BadSettings(f"the checkpoint {checkpoint.path} is incomplete: {reason}") from error
        self.verdicts = VerdictTokens.find(self._encode, prompts.ANSWER_START)
        self._token_ids: dict[tuple[str | None, ...], list[int]] = {}
        _check_view_budgets(checkpoint.card, processor)
        self.max_model_len = min(max_model_len, text.max_position_embeddings)
        self._check_context_length(checkpoint.card)

    def render_prompt(self, query: Query) -> list[int]:
        """Return the token ids up to and including the start of the answer, with one pad token for each image."""
        shape = (query.instructions, *(part if isinstance(part, str) else None for part in query.content))
        if shape not in self._token_ids:  # one shape for each number of crops: about a dozen
            text = self._tokenizer.apply_chat_template(
                prompts.build_chat(query), tokenize=False, add_generation_prompt=True
            )
            self._token_ids[shape] = self._encode(text) + list(self.verdicts.prefix)
        return self._token_ids[shape]

    def decode_answer(self, token_ids: Sequence[int]) -> str:
        """Return the text of a whole answer without its end token."""
        text = self._tokenizer.decode(list(token_ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)
        assert isinstance(text, str)
        return text

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _check_context_length(self, card: CheckpointCard) -> None:
        pixel = images.build_model_image(Image.new("RGB", (1, 1)))
        query = prompts.build_local_check(pixel, [pixel] * card.max_crops, card.box_frame)
        pads = _count_view_tokens(card.scan_max_pixels) + card.max_crops * _count_view_tokens(card.crop_max_pixels)
        needed = len(self.render_prompt(query)) + pads + query.max_tokens
        if needed > self.max_model_len:
            raise BadSettings(
                f"ZOOMIN_ENGINE__MAX_MODEL_LEN (of zoomin-train: ZOOMIN_TRAIN_MAX_MODEL_LEN): {self.max_model_len} "
                f"tokens do not hold the view, {card.max_crops} crops, the text and the answer; allow {needed} where "
                "the checkpoint can, or fewer or smaller crops"
            )


def _count_view_tokens(pixels: int) -> int:
    return pixels // geometry.PATCH_MULTIPLE_PX**2


def _check_view_budgets(card: CheckpointCard, processor: object) -> None:
    size = getattr(processor, "size", {})
    smallest, largest = size["shortest_edge"], size["longest_edge"]
    if smallest > geometry.MIN_VIEW_PIXELS or largest < max(card.scan_max_pixels, card.crop_max_pixels):
        raise BadSettings(
            f"the checkpoint's processor keeps {smallest} to {largest} pixels and would resize our views of "
            f"{geometry.MIN_VIEW_PIXELS} to {max(card.scan_max_pixels, card.crop_max_pixels)}; "
            "change scan_max_pixels and crop_max_pixels in zoomin.json, or min_pixels and max_pixels of the processor"
        )
