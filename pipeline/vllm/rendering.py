"""Queries as one checkpoint's token ids: all that an engine is told besides the pixels."""

from PIL import Image
from transformers import AutoConfig, AutoImageProcessor, AutoTokenizer

from pipeline import geometry, prompts
from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.confidence import VerdictTokens
from pipeline.engine import Query
from pipeline.errors import BadSettings


class Renderer:
    """Template, vocabulary, and what the checkpoint's processor makes of our views."""

    def __init__(self, checkpoint: Checkpoint, *, max_model_len: int) -> None:
        """`max_model_len` of ours, or the checkpoint's own limit, where that is lower.

        Raises: BadSettings when the checkpoint cannot be asked as its card says.
        """
        try:
            self._tokenizer = AutoTokenizer.from_pretrained(checkpoint.path)
            processor = AutoImageProcessor.from_pretrained(checkpoint.path)
            text = AutoConfig.from_pretrained(checkpoint.path).get_text_config()
        except (OSError, ValueError) as error:
            reason = str(error).partition("\n")[0][:300]
            raise BadSettings(f"the checkpoint {checkpoint.path} is incomplete: {reason}") from error
        self.verdicts = VerdictTokens.of(self._encode, prompts.ANSWER_START)
        self._token_ids: dict[tuple[str | None, ...], list[int]] = {}
        _check_views_are_kept(checkpoint.card, processor)
        self.max_model_len = min(max_model_len, text.max_position_embeddings)
        self._check_context_holds_all(checkpoint.card)

    def token_ids(self, query: Query) -> list[int]:
        """The prompt up to and including the start of the answer, one pad token for each image."""
        shape = (query.instructions, *(part if isinstance(part, str) else None for part in query.content))
        if shape not in self._token_ids:  # as many shapes as crop counts: a dozen at most
            text = self._tokenizer.apply_chat_template(prompts.chat(query), tokenize=False, add_generation_prompt=True)
            self._token_ids[shape] = self._encode(text) + list(self.verdicts.prefix)
        return self._token_ids[shape]

    def _encode(self, text: str) -> list[int]:
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def _check_context_holds_all(self, card: CheckpointCard) -> None:
        pixel = Image.new("RGB", (1, 1))
        query = prompts.local_check(pixel, [pixel] * card.max_crops, card.box_frame)
        pads = _view_tokens(card.scan_max_pixels) + card.max_crops * _view_tokens(card.crop_max_pixels)
        needed = len(self.token_ids(query)) + pads + query.max_tokens
        if needed > self.max_model_len:
            raise BadSettings(
                f"ZOOMIN_ENGINE__MAX_MODEL_LEN: {self.max_model_len} tokens do not hold the view, {card.max_crops} "
                f"crops, the text and the answer; allow {needed} where the checkpoint can, or fewer or smaller crops"
            )


def _view_tokens(pixels: int) -> int:
    return pixels // geometry.PATCH_MULTIPLE_PX**2


def _check_views_are_kept(card: CheckpointCard, processor: object) -> None:
    size = getattr(processor, "size", {})
    smallest, largest = size["shortest_edge"], size["longest_edge"]
    if smallest > geometry.MIN_VIEW_PIXELS or largest < max(card.scan_max_pixels, card.crop_max_pixels):
        raise BadSettings(
            f"the checkpoint's processor keeps {smallest} to {largest} pixels and would resize our views of "
            f"{geometry.MIN_VIEW_PIXELS} to {max(card.scan_max_pixels, card.crop_max_pixels)}; "
            "change scan_max_pixels and crop_max_pixels in zoomin.json, or min_pixels and max_pixels of the processor"
        )
