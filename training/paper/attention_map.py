"""Attention maps of Query 1: gradient-weighted attention from the answer to the image's tokens, as a picture.

One forward and one backward pass through plain transformers for each part of an answer: the attention weights of every
layer times how much they would change the logits of that part, positive products alone, averaged over heads, summed
over layers and over the text that follows the image.
Source: paper appendix B and figure 9; it takes LLaVA-CAM, the rule here is ours.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from transformers import AutoTokenizer, PreTrainedTokenizerFast, Qwen2_5_VLForConditionalGeneration

from pipeline import geometry, images, parse, prompts, zoomin
from pipeline.checkpoint import Checkpoint
from pipeline.engine import Query, VisionEngine
from pipeline.errors import AnswerUnreadable, TransientError
from pipeline.verdict import BoundingBox
from training.evaluation.samples import Sample
from training.evaluation.summary import Json
from training.qwen import tensors
from training.reports.examples import outline_boxes

PARTS = {
    "verdict": re.compile(r"<verdict>(.*?)</verdict>"),
    "boxes": re.compile(r"<boxes>(.*?)</boxes>"),
    "explanation": re.compile(r"<explanation>(.*?)(?:</explanation>|$)"),
}
WARM = (255, 72, 0)
MOST_OPAQUE = 0.78
PICTURE_PX = 360
SUBCELLS = 32  # per side of a cell, when boxes are laid over it

Grid = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class ScannedSample:
    """A sample with Query 1, the text of its answer, and the boxes in it."""

    sample: Sample
    query: Query
    text: str
    regions: tuple[BoundingBox, ...]


@dataclass(frozen=True, slots=True, eq=False)
class AttentionMap:
    """The attention from one part of an answer to the image.

    Shapes: `grid` is [rows, columns] of image tokens; its largest value is 1.
    """

    scanned: ScannedSample
    part: str
    grid: Grid

    @property
    def in_boxes(self) -> float:
        """The share of attention that lies in the model's boxes."""
        return float((self.grid * self._coverage).sum() / self.grid.sum())

    @property
    def area_of_boxes(self) -> float:
        """The share of the image that the boxes cover."""
        return float(self._coverage.mean())

    @property
    def _coverage(self) -> Grid:
        """The share of each cell that lies in a box."""
        size, fine = self.scanned.sample.image.size_px, (self.grid.shape[1] * SUBCELLS, self.grid.shape[0] * SUBCELLS)
        mask = np.zeros(fine[::-1], np.float32)
        for box in self.scanned.regions:
            placed = geometry.clip(geometry.rescale(box.corners, from_size=size, to_size=fine), fine)
            if placed is not None:
                mask[placed.y1 : placed.y2, placed.x1 : placed.x2] = 1
        coverage: Grid = mask.reshape(self.grid.shape[0], SUBCELLS, self.grid.shape[1], SUBCELLS).mean((1, 3))
        return coverage

    @property
    def caption(self) -> str:
        found = PARTS[self.part].search(self.scanned.text)
        quoted = f": {found[1][:90]}" if found and self.part != "boxes" else ""
        return f"Image {self.scanned.sample.number}, in truth {self.scanned.sample.label}; the {self.part}{quoted}"


async def scan_samples(samples: Sequence[Sample], engine: VisionEngine) -> list[ScannedSample]:
    """Ask Query 1 of each sample; an unreadable answer is left out. Raises: EngineDead."""
    scanned = []
    for sample in samples:
        view = images.build_view(sample.image, engine.card.scan_max_pixels)
        query = prompts.build_global_scan(view, engine.card.box_frame)
        try:
            answer = await engine.ask(query)
            _, numbers, _ = parse.parse_global_scan(answer.text, truncated=answer.truncated)
        except (TransientError, AnswerUnreadable):
            continue
        regions = zoomin.place_boxes(numbers, frame=engine.card.box_frame, view=view.size, image=sample.image.size_px)
        scanned.append(ScannedSample(sample, query, answer.text, regions))
    return scanned


class AttentionModel:
    """A checkpoint in plain transformers that returns its attention weights."""

    def __init__(self, path: Path) -> None:
        self._tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(path)
        dtype = "auto" if torch.cuda.is_available() else torch.float32
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, attn_implementation="eager", dtype=dtype)
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
        # The graph begins there; gradients are wanted of attention weights alone.
        self._model.get_input_embeddings().requires_grad_(True)

    def compute_maps(self, scanned: ScannedSample) -> list[AttentionMap]:
        """Return one map for each part that the answer has."""
        maps = []
        for part in PARTS:
            tokens, places = self._locate_part(scanned.text, part)
            if places:
                maps.append(AttentionMap(scanned, part, self._compute_grid(scanned.query, tokens, places)))
        return maps

    def _locate_part(self, text: str, part: str) -> tuple[list[int], list[int]]:
        """Return the answer's tokens and the places of those that spell this part; of boxes, the numbers alone."""
        encoded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        found = PARTS[part].search(text)
        if found is None:
            return encoded["input_ids"], []
        first, last = found.span(1)
        places = [
            number
            for number, (start, end) in enumerate(encoded["offset_mapping"])
            if start < last and end > first and (part != "boxes" or any(c.isdigit() for c in text[start:end]))
        ]
        return encoded["input_ids"], places

    def _compute_grid(self, query: Query, tokens: Sequence[int], places: Sequence[int]) -> Grid:
        batch = tensors.Collator(self._tokenizer).collate_prompts([query])
        prompt_tokens = batch["input_ids"].shape[1]
        answer = torch.tensor([list(tokens)])
        batch["input_ids"] = torch.cat([batch["input_ids"], answer], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        batch["mm_token_type_ids"] = torch.cat([batch["mm_token_type_ids"], torch.zeros_like(answer)], 1)
        batch = {name: tensor.to(self._model.device) for name, tensor in batch.items()}
        output = self._model(**batch, output_attentions=True, use_cache=False)
        answer_places = torch.tensor(places, device=self._model.device)
        logits = output.logits[0, prompt_tokens + answer_places - 1]
        chosen = logits.gather(1, batch["input_ids"][0, prompt_tokens + answer_places].unsqueeze(1)).squeeze(1)
        # Against the mean of all: a logit alone may rise because all do.
        target = (chosen - logits.mean(1)).sum()
        gradients = torch.autograd.grad(target, output.attentions)
        return _weigh_image_tokens(batch, output.attentions, gradients)


def _weigh_image_tokens(
    batch: dict[str, torch.Tensor], attentions: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> Grid:
    """Return the weighted attention from the text behind the image to its tokens.

    Shapes: `attentions` and `gradients` are [1, heads, to, from] for each layer.
    """
    is_image = batch["mm_token_type_ids"][0].bool()
    columns = is_image.nonzero().squeeze(1)
    after = int(columns.max()) + 1
    total = torch.zeros(len(columns))
    for weights, gradient in zip(attentions, gradients, strict=True):
        weighted = (weights.detach() * gradient).clamp(min=0)[0, :, after:].float().mean(0).sum(0)
        total += weighted[columns].cpu()
    _, rows, across = batch["image_grid_thw"][0].tolist()
    grid: Grid = total.reshape(rows // tensors.MERGE, across // tensors.MERGE).numpy()
    return grid / max(float(grid.max()), 1e-12)


def draw_map(attention: AttentionMap) -> Image.Image:
    """Return the image in gray, warm where attention is high, with the model's boxes."""
    image = attention.scanned.sample.image
    size = geometry.fit(image.size_px, PICTURE_PX * PICTURE_PX, enlarge=True)
    gray = image.pixels.resize(size, Image.Resampling.BICUBIC).convert("L").convert("RGB")
    mask = Image.fromarray((attention.grid * 255 * MOST_OPAQUE).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    gray.paste(WARM, (0, 0, *size), mask)
    outline_boxes(gray, attention.scanned.regions, image.size_px)
    return gray


def summarize_maps(maps: Sequence[AttentionMap]) -> Json:
    """Return the share of attention in the model's boxes, beside the share of the image that they cover: figure 9."""
    rows = [
        {
            "image": attention.scanned.sample.number,
            "part": attention.part,
            "in_boxes": round(attention.in_boxes, 4),
            "area_of_boxes": round(attention.area_of_boxes, 4),
        }
        for attention in maps
    ]
    means = {
        key: round(float(np.mean([getattr(attention, key) for attention in maps])), 4) if maps else None
        for key in ("in_boxes", "area_of_boxes")
    }
    return {"cell_px": tensors.TOKEN_PX, **means, "maps": rows}


def compute_attention_maps(checkpoint: Checkpoint, scanned: Sequence[ScannedSample]) -> list[AttentionMap]:
    """Return the maps of each sample, one for each part of its answer: figure 9."""
    model = AttentionModel(checkpoint.path)
    return [attention for sample in scanned for attention in model.compute_maps(sample)]
