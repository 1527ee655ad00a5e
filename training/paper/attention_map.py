"""What Query 1 looks at: gradient-weighted attention from the answer to the image's tokens, as a picture.

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
from pipeline.evidence import card as evidence_card
from pipeline.evidence.drawing import outline
from pipeline.verdict import BoundingBox
from training.evaluation.samples import Sample
from training.qwen import tensors

PARTS = {
    "verdict": re.compile(r"<verdict>(.*?)</verdict>"),
    "boxes": re.compile(r"<boxes>(.*?)</boxes>"),
    "explanation": re.compile(r"<explanation>(.*?)(?:</explanation>|$)"),
}
WARM = (255, 72, 0)
MOST_OPAQUE = 0.78
PICTURE_PX = 360
FINE = 32  # steps a cell, when boxes are laid over it

Grid = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Scanned:
    """An image with what Query 1 said of it, word for word."""

    sample: Sample
    query: Query
    text: str
    regions: tuple[BoundingBox, ...]


@dataclass(frozen=True, slots=True, eq=False)
class HeatMap:
    """Shapes: `grid` is [rows, columns] of image tokens, 1 where most."""

    scanned: Scanned
    part: str
    grid: Grid

    @property
    def in_boxes(self) -> float:
        """The share of the heat that lies in the model's boxes."""
        return float((self.grid * self._covered).sum() / self.grid.sum())

    @property
    def area_of_boxes(self) -> float:
        """The share of the image that they cover."""
        return float(self._covered.mean())

    @property
    def _covered(self) -> Grid:
        """The share of each cell that lies in a box."""
        size, fine = self.scanned.sample.image.size_px, (self.grid.shape[1] * FINE, self.grid.shape[0] * FINE)
        mask = np.zeros(fine[::-1], np.float32)
        for box in self.scanned.regions:
            placed = geometry.clip(geometry.rescale(box.corners, from_size=size, to_size=fine), fine)
            if placed is not None:
                mask[placed.y1 : placed.y2, placed.x1 : placed.x2] = 1
        covered: Grid = mask.reshape(self.grid.shape[0], FINE, self.grid.shape[1], FINE).mean((1, 3))
        return covered

    @property
    def caption(self) -> str:
        said = PARTS[self.part].search(self.scanned.text)
        quoted = f": {said[1][:90]}" if said and self.part != "boxes" else ""
        return f"Image {self.scanned.sample.number}, in truth {self.scanned.sample.label}; the {self.part}{quoted}"


async def scan(samples: Sequence[Sample], engine: VisionEngine) -> list[Scanned]:
    """Query 1 on each, as the engine answers it; an unreadable answer is left out.

    Raises: EngineDead.
    """
    scanned = []
    for sample in samples:
        view = images.view(sample.image, engine.card.scan_max_pixels)
        query = prompts.global_scan(view, engine.card.box_frame)
        try:
            answer = await engine.ask(query)
            _, numbers, _ = parse.global_scan(answer.text, truncated=answer.truncated)
        except (TransientError, AnswerUnreadable):
            continue
        regions = zoomin.place(numbers, frame=engine.card.box_frame, view=view.size, image=sample.image.size_px)
        scanned.append(Scanned(sample, query, answer.text, regions))
    return scanned


class Looking:
    """A checkpoint in plain transformers, its attention weights kept."""

    def __init__(self, path: Path) -> None:
        self._tokenizer: PreTrainedTokenizerFast = AutoTokenizer.from_pretrained(path)
        dtype = "auto" if torch.cuda.is_available() else torch.float32
        model = Qwen2_5_VLForConditionalGeneration.from_pretrained(path, attn_implementation="eager", dtype=dtype)
        self._model = model.to("cuda" if torch.cuda.is_available() else "cpu").eval().requires_grad_(False)
        # The graph begins there; gradients are wanted of attention weights alone.
        self._model.get_input_embeddings().requires_grad_(True)

    def maps(self, scanned: Scanned) -> list[HeatMap]:
        """One for each part of the answer that is there."""
        made = []
        for part in PARTS:
            tokens, places = self._places(scanned.text, part)
            if places:
                made.append(HeatMap(scanned, part, self._grid(scanned.query, tokens, places)))
        return made

    def _places(self, text: str, part: str) -> tuple[list[int], list[int]]:
        """The answer's tokens, and which of them spell this part; of boxes the numbers alone."""
        coded = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        found = PARTS[part].search(text)
        if found is None:
            return coded["input_ids"], []
        first, last = found.span(1)
        places = [
            number
            for number, (start, end) in enumerate(coded["offset_mapping"])
            if start < last and end > first and (part != "boxes" or any(c.isdigit() for c in text[start:end]))
        ]
        return coded["input_ids"], places

    def _grid(self, query: Query, tokens: Sequence[int], places: Sequence[int]) -> Grid:
        batch = tensors.Collator(self._tokenizer).prompts([query])
        asked = batch["input_ids"].shape[1]
        answer = torch.tensor([list(tokens)])
        batch["input_ids"] = torch.cat([batch["input_ids"], answer], 1)
        batch["attention_mask"] = torch.ones_like(batch["input_ids"])
        batch["mm_token_type_ids"] = torch.cat([batch["mm_token_type_ids"], torch.zeros_like(answer)], 1)
        batch = {name: tensor.to(self._model.device) for name, tensor in batch.items()}
        out = self._model(**batch, output_attentions=True, use_cache=False)
        at = torch.tensor(places, device=self._model.device)
        logits = out.logits[0, asked + at - 1]
        chosen = logits.gather(1, batch["input_ids"][0, asked + at].unsqueeze(1)).squeeze(1)
        # Against the mean of all: a logit alone may rise because all do.
        target = (chosen - logits.mean(1)).sum()
        gradients = torch.autograd.grad(target, out.attentions)
        return _to_image(batch, out.attentions, gradients)


def _to_image(
    batch: dict[str, torch.Tensor], attentions: Sequence[torch.Tensor], gradients: Sequence[torch.Tensor]
) -> Grid:
    """Weighted attention from the text behind the image to its tokens.

    Shapes: `attentions` and `gradients` are [1, heads, to, from] for each layer.
    """
    of_image = batch["mm_token_type_ids"][0].bool()
    columns = of_image.nonzero().squeeze(1)
    after = int(columns.max()) + 1
    total = torch.zeros(len(columns))
    for weights, gradient in zip(attentions, gradients, strict=True):
        weighted = (weights.detach() * gradient).clamp(min=0)[0, :, after:].float().mean(0).sum(0)
        total += weighted[columns].cpu()
    _, rows, across = batch["image_grid_thw"][0].tolist()
    grid: Grid = total.reshape(rows // tensors.MERGE, across // tensors.MERGE).numpy()
    return grid / max(float(grid.max()), 1e-12)


def picture(heat: HeatMap) -> Image.Image:
    """The image in gray, warm where the model looks, with the model's boxes."""
    image = heat.scanned.sample.image
    size = geometry.fit(image.size_px, PICTURE_PX * PICTURE_PX, enlarge=True)
    gray = image.pixels.resize(size, Image.Resampling.BICUBIC).convert("L").convert("RGB")
    mask = Image.fromarray((heat.grid * 255 * MOST_OPAQUE).astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    gray.paste(WARM, (0, 0, *size), mask)
    for box in heat.scanned.regions:
        placed = geometry.clip(geometry.rescale(box.corners, from_size=image.size_px, to_size=size), size)
        if placed is not None:
            outline(gray, placed.corners, evidence_card.REGION, halo=evidence_card.INK, width=2)
    return gray


def numbers(maps: Sequence[HeatMap]) -> dict[str, object]:
    """Figure 9 in numbers: how much of the heat lies in the model's boxes, beside the share that they cover."""
    rows = [
        {
            "image": heat.scanned.sample.number,
            "part": heat.part,
            "in_boxes": round(heat.in_boxes, 4),
            "area_of_boxes": round(heat.area_of_boxes, 4),
        }
        for heat in maps
    ]
    means = {
        key: round(float(np.mean([getattr(heat, key) for heat in maps])), 4) if maps else None
        for key in ("in_boxes", "area_of_boxes")
    }
    return {"cell_px": tensors.TOKEN_PX, **means, "maps": rows}


def draw(checkpoint: Checkpoint, scanned: Sequence[Scanned]) -> list[HeatMap]:
    """Figure 9: the heat maps of each image, one for each part of what was said of it."""
    looking = Looking(checkpoint.path)
    return [heat for one in scanned for heat in looking.maps(one)]
