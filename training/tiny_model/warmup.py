"""Vision warm-up: the vision tower learns places and kinds of details through heads that are deleted afterwards.

Trained from random weights by answers alone, the model reads only the tone of the view: a verdict gives too little
gradient to an untrained tower. Dense targets for every patch train it first.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional
from transformers import Qwen2_5_VLForConditionalGeneration

from pipeline.verdict import Verdict
from training.common.whole_file import write_whole
from training.qwen import tensors
from training.synthetic import scenes
from training.synthetic.album import Page, Picture
from training.synthetic.scenes import Detail
from training.tiny_model import rows

LEARNING_RATE = 2e-3
BATCH = 24
RAMP_STEPS = 40
PLATEAU_FRACTION = 0.6  # of the run at full learning rate; then linear to a tenth
OFFSET_UNIT_PX = 64.0
LOCATED_COVER = 0.3
JUDGED_COVER = 0.6
KINDS = list(scenes.Kind)
CLASSES = [None, *scenes.Artifact]
PER_PATCH = 1 + 4 + len(KINDS) + len(CLASSES)

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Targets:
    """The truth for the patches of one picture: share covered, distances to the detail's edges, kind, artifact class.

    Shapes: [rows, columns] and for offsets [rows, columns, 4]; kind and artifact are -1 where there is none to tell.
    """

    cover: Floats
    offsets: Floats
    kind: Ints
    artifact: Ints


def build_targets(picture: Picture, details: Sequence[Detail]) -> Targets:
    """Compute the truth for each patch from the places of the details in the picture's window."""
    window = picture.window
    shape = (picture.pixels.shape[0] // tensors.PATCH_PX, picture.pixels.shape[1] // tensors.PATCH_PX)
    tall, wide = window.height_px / shape[0], window.width_px / shape[1]
    y = (window.y1 + (np.arange(shape[0], dtype=np.float32) + 0.5) * tall)[:, None]
    x = (window.x1 + (np.arange(shape[1], dtype=np.float32) + 0.5) * wide)[None]
    cover = np.zeros(shape, np.float32)
    offsets = np.zeros((*shape, 4), np.float32)
    kind, artifact = np.full(shape, -1), np.full(shape, -1)
    for detail in details:
        x1, y1, x2, y2 = detail.box.corners
        over_x = np.minimum(x2, x + wide / 2) - np.maximum(x1, x - wide / 2)
        over_y = np.minimum(y2, y + tall / 2) - np.maximum(y1, y - tall / 2)
        share = np.clip(over_x, 0, None) * np.clip(over_y, 0, None) / (wide * tall)
        here = share > np.maximum(cover, LOCATED_COVER)
        cover = np.maximum(cover, share)
        edges = np.stack(np.broadcast_arrays(x - x1, y - y1, x2 - x, y2 - y), -1) / OFFSET_UNIT_PX
        offsets[here] = edges[here]
        kind[here] = KINDS.index(detail.kind)
        artifact[share > JUDGED_COVER] = CLASSES.index(detail.artifact)
    return Targets(cover, offsets, kind, artifact)


class WarmUp:
    """The heads, the optimizer and the step count; `state` is all that a resumed run needs."""

    def __init__(self, model: Qwen2_5_VLForConditionalGeneration, pages: Sequence[Page], seed: int) -> None:
        self._tower = model.model.visual
        self._pages = pages
        self._seed = seed
        self._head = nn.Linear(model.config.text_config.hidden_size, tensors.MERGE**2 * PER_PATCH + 1)
        self._parameters = [*self._tower.parameters(), *self._head.parameters()]
        self._optimizer = torch.optim.AdamW(
            self._parameters, lr=LEARNING_RATE, weight_decay=0.05, betas=(0.9, 0.98), fused=True
        )
        self.step = 0

    def train(self, fraction: Callable[[int], float], *, after_step: Callable[[float, dict[str, float]], None]) -> None:
        """Train until `fraction(step)` of the run, which also sets the learning rate, reaches 1."""
        while (progress := fraction(self.step)) < 1:
            rate = 1.0 if progress < PLATEAU_FRACTION else 0.1 + 0.9 * (1 - progress) / (1 - PLATEAU_FRACTION)
            for group in self._optimizer.param_groups:
                group["lr"] = LEARNING_RATE * rate * min(1.0, (self.step + 1) / RAMP_STEPS)
            loss, parts = self._compute_losses(np.random.default_rng([self._seed, 1, self.step]))
            loss.backward()
            nn.utils.clip_grad_norm_(self._parameters, 1.0)
            self._optimizer.step()
            self._optimizer.zero_grad()
            self.step += 1
            after_step(progress, parts)

    def save(self, path: Path) -> None:
        state = {
            "step": self.step,
            "tower": self._tower.state_dict(),
            "head": self._head.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        with write_whole(path) as unfinished:
            torch.save(state, unfinished)

    def load(self, path: Path) -> None:
        state = torch.load(path, weights_only=True)
        self.step = state["step"]
        self._tower.load_state_dict(state["tower"])
        self._head.load_state_dict(state["head"])
        self._optimizer.load_state_dict(state["optimizer"])

    def _compute_losses(self, rng: np.random.Generator) -> tuple[torch.Tensor, dict[str, float]]:
        views = [self._draw_view(rng) for _ in range(BATCH)]
        crops = [self._draw_crop(rng) for _ in range(BATCH)]
        pictures = [pixels for pixels, _, _ in views] + [pixels for pixels, _ in crops]
        pixel_values, grids = tensors.cut_patches(pictures)
        tokens = self._head(self._tower(pixel_values, grid_thw=grids).pooler_output)
        per_patch, tone = tokens[:, :-1].reshape(-1, PER_PATCH), tokens[:, -1]
        truth = [target for _, target, _ in views] + [target for _, target in crops]
        cover, offsets, kind, artifact = (_gather(truth, name) for name in ("cover", "offsets", "kind", "artifact"))
        view_patches = sum(target.cover.size for _, target, _ in views)
        has_kind, has_artifact = kind >= 0, artifact >= 0
        # Boxes are learned from views alone, artifacts from crops alone.
        located, inspected = has_kind.clone(), has_artifact.clone()
        located[view_patches:], inspected[:view_patches] = False, False
        labels = torch.tensor([float(label is Verdict.GENERATED) for _, _, label in views])
        tones = tone[: view_patches // tensors.MERGE**2].reshape(BATCH, -1).mean(1)
        parts = {
            "cover": functional.binary_cross_entropy_with_logits(per_patch[:, 0], cover),
            "offset": functional.smooth_l1_loss(per_patch[located, 1:5], offsets[located], beta=0.1),
            "kind": functional.cross_entropy(per_patch[has_kind, 5 : 5 + len(KINDS)], kind[has_kind]),
            "artifact": functional.cross_entropy(per_patch[inspected, 5 + len(KINDS) :], artifact[inspected]),
            "tone": functional.binary_cross_entropy_with_logits(tones, labels),
        }
        weights = {"cover": 3.0, "offset": 2.0, "kind": 0.6, "artifact": 2.0, "tone": 0.5}
        total = torch.stack([weights[name] * part for name, part in parts.items()]).sum()
        return total, {name: part.item() for name, part in parts.items()}

    def _draw_view(self, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Targets, Verdict]:
        page = self._pages[int(rng.integers(0, len(self._pages)))]
        pixels, details = rows.mirror_view(page, across=rng.random() < 0.5, down=rng.random() < 0.5)
        return pixels, build_targets(Picture(pixels, page.view.window, None), details), page.label

    def _draw_crop(self, rng: np.random.Generator) -> tuple[npt.NDArray[np.uint8], Targets]:
        page = self._pages[int(rng.integers(0, len(self._pages)))]
        group = page.crops[rng.integers(0, len(page.crops))]
        picture = group[rng.integers(0, len(group))]
        return picture.pixels, build_targets(picture, page.details)


def _gather(truth: Sequence[Targets], name: str) -> torch.Tensor:
    """Gather one attribute of all pictures in the tower's order: tokens row by row, four patches each."""
    flat = []
    for target in truth:
        grid = getattr(target, name)
        high, wide = grid.shape[0] // tensors.MERGE, grid.shape[1] // tensors.MERGE
        cells = grid.reshape(high, tensors.MERGE, wide, tensors.MERGE, *grid.shape[2:])
        flat.append(cells.swapaxes(1, 2).reshape(-1, *grid.shape[2:]))
    return torch.from_numpy(np.concatenate(flat))
