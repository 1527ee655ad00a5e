"""Turn images and answers into tensors, token for token and patch for patch as serving sends them to the model."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import PreTrainedTokenizerFast

from pipeline import images, prompts
from pipeline.engine import Query
from pipeline.verdict import ModelImage, Verdict
from training.qwen import tokens

PATCH_PX = 14
MERGE = 2
TOKEN_PX = PATCH_PX * MERGE
MEAN = (0.48145466, 0.4578275, 0.40821073)
STD = (0.26862954, 0.26130258, 0.27577711)
IGNORED = -100
Batch = dict[str, torch.Tensor]
VERDICT_WEIGHT = 4.0
COORDINATE_WEIGHT = 1.5


@dataclass(frozen=True, slots=True)
class TrainingExample:
    """One query with the answer that is wanted."""

    query: Query
    answer: str


def cut_patches(pictures: Sequence[npt.NDArray[np.uint8]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Cut pictures into patches as transformers' Qwen2-VL image processor does; sides are multiples of 28.

    Shapes: [patches, 1176] and [pictures, 3] (time, rows, columns in patches).
    """
    grids = [(1, picture.shape[0] // PATCH_PX, picture.shape[1] // PATCH_PX) for picture in pictures]
    cut = np.concatenate([_cut(picture) for picture in pictures])
    values = torch.from_numpy(cut).float().div_(255)
    values = values.sub_(torch.tensor(MEAN)[:, None, None]).div_(torch.tensor(STD)[:, None, None])
    # A still image is two equal frames.
    values = values.unsqueeze(2).expand(-1, -1, 2, -1, -1)
    return values.reshape(len(cut), -1), torch.tensor(grids)


def _cut(picture: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Cut patches in the order of the merged tokens, [patches, 3, 14, 14]."""
    rows, columns = picture.shape[0] // TOKEN_PX, picture.shape[1] // TOKEN_PX
    cells = picture.reshape(rows, MERGE, PATCH_PX, columns, MERGE, PATCH_PX, 3)
    return cells.transpose(0, 3, 1, 4, 6, 2, 5).reshape(-1, 3, PATCH_PX, PATCH_PX)


class Collator:
    """Pads examples to one batch; only answers have labels and weights."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast) -> None:
        self._tokenizer = tokenizer
        self._image = tokenizer.convert_tokens_to_ids(tokens.IMAGE_PAD)
        self._end = tokenizer.convert_tokens_to_ids(tokens.IM_END)
        self._encode = lru_cache(maxsize=4096)(self._encode_text)
        self._answer = lru_cache(maxsize=4096)(self._encode_answer)

    def __call__(self, rows: Sequence[TrainingExample]) -> Batch:
        """Build a batch, with input_ids, labels and weights of [rows, longest], pixel_values and image_grid_thw."""
        pairs = [(self.encode_prompt(row.query), self._answer(row.answer)) for row in rows]
        longest = max(len(prompt) + len(answer) for prompt, answer in pairs)
        input_ids = torch.full((len(rows), longest), int(self._tokenizer.pad_token_id))
        attention_mask = torch.zeros_like(input_ids)
        labels = torch.full_like(input_ids, IGNORED)
        for number, (prompt, answer) in enumerate(pairs):
            end = len(prompt) + len(answer)
            input_ids[number, :end] = torch.tensor([*prompt, *answer])
            attention_mask[number, :end] = 1
            labels[number, len(prompt) : end] = torch.tensor(answer)
        pixel_values, grids = cut_patches([np.asarray(image.pixels) for row in rows for image in row.query.images])
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "labels": labels,
            "weights": self._weigh(labels),
            "mm_token_type_ids": (input_ids == self._image).long(),
            "pixel_values": pixel_values,
            "image_grid_thw": grids,
        }

    def collate_prompts(self, queries: Sequence[Query]) -> Batch:
        """Build a batch of queries without answers, padded on the left, so that all answers begin at one place."""
        rows = [self.encode_prompt(query) for query in queries]
        longest = max(map(len, rows))
        input_ids = torch.full((len(rows), longest), int(self._tokenizer.pad_token_id))
        attention_mask = torch.zeros_like(input_ids)
        for number, row in enumerate(rows):
            input_ids[number, longest - len(row) :] = torch.tensor(row)
            attention_mask[number, longest - len(row) :] = 1
        pixel_values, grids = cut_patches([np.asarray(image.pixels) for query in queries for image in query.images])
        return {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "mm_token_type_ids": (input_ids == self._image).long(),
            "pixel_values": pixel_values,
            "image_grid_thw": grids,
        }

    def encode_prompt(self, query: Query) -> list[int]:
        """Encode a query as the engine does, up to where the answer begins."""
        text = self._render_chat(query.instructions, tuple(p if isinstance(p, str) else None for p in query.content))
        tokens: list[int] = []
        seen_images = iter(query.images)
        for token in self._encode(text):
            tokens += [token] * (_count_image_tokens(next(seen_images)) if token == self._image else 1)
        return tokens

    def _render_chat(self, instructions: str, parts: tuple[str | None, ...]) -> str:
        blank = images.build_model_image(Image.new("RGB", (TOKEN_PX, TOKEN_PX)))
        query = Query(instructions, tuple(part if part is not None else blank for part in parts), "", "", 0)
        return str(
            self._tokenizer.apply_chat_template(prompts.build_chat(query), tokenize=False, add_generation_prompt=True)
        )

    def _encode_text(self, text: str) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(text, add_special_tokens=False))

    def _encode_answer(self, text: str) -> tuple[int, ...]:
        """Encode an answer with its end token; special tokens inside the text are encoded letter by letter."""
        tokens = self._tokenizer.encode(text, add_special_tokens=False, split_special_tokens=True)
        return (*tokens, self._end)

    def _weigh(self, labels: torch.Tensor) -> torch.Tensor:
        weights = (labels != IGNORED).float()
        weights[torch.isin(labels, self._verdicts)] = VERDICT_WEIGHT
        weights[torch.isin(labels, self._coordinates)] = COORDINATE_WEIGHT
        return weights

    @cached_property
    def _verdicts(self) -> torch.Tensor:
        return torch.tensor([self._encode(verdict)[0] for verdict in Verdict])

    @cached_property
    def _coordinates(self) -> torch.Tensor:
        return torch.tensor([self._encode(str(number))[0] for number in tokens.COORDINATES])


def _count_image_tokens(image: ModelImage) -> int:
    width, height = image.size
    return (width // TOKEN_PX) * (height // TOKEN_PX)
