"""Score every image of a folder with a trained baseline, one at a time, with the seconds that each takes.

Whole images are scored, as published, and none is resized: that would take away what the networks look at.
"""

import hashlib
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pydantic import TypeAdapter
from torch import nn

from pipeline.checkpoint import Scaling
from pipeline.decoding.formats import SUFFIXES
from pipeline.errors import BadSettings, ZoomInError
from training.baselines import networks
from training.common.journal import Journal, build_key
from training.common.progress import Progress
from training.detectors.score_file import Score
from training.evaluation import samples

_SCORE = TypeAdapter(Score)
MAX_SIDE_PX = 2048
"""longer sides are cut to their middle, so that memory stays bounded"""


@dataclass(frozen=True, slots=True)
class Scorer:
    """A network ready to score; `scaling` calibrates its answers."""

    network: nn.Module
    device: torch.device
    scaling: Scaling = field(default_factory=Scaling)
    clock: Callable[[], float] = time.perf_counter

    def score(self, pixels: Image.Image) -> Score:
        """Return the answer about one image, and how long it took once the image was decoded."""
        began = self.clock()
        with torch.inference_mode():
            array = np.asarray(cut_middle(pixels))[None].copy()
            p_generated = torch.sigmoid(self.network(networks.normalize(array, self.device))).item()
        return Score(self.scaling.apply(p_generated), seconds=self.clock() - began)


def cut_middle(pixels: Image.Image) -> Image.Image:
    """Return the middle of an image that is longer than scoring allows, else all of it."""
    width, height = (min(side, MAX_SIDE_PX) for side in pixels.size)
    x, y = (pixels.width - width) // 2, (pixels.height - height) // 2
    return pixels.crop((x, y, x + width, y + height))


def score_folder(scorer: Scorer, folder: Path, answers: Journal, *, trained: str) -> Iterator[tuple[str, Score]]:
    """Yield the answer about every image below `folder` by its path there; unreadable ones are left out and listed.

    `answers` keeps each as it comes, and images that it holds are not scored again. `trained` is the detector's digest.
    Raises: BadSettings when there is none.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise BadSettings(f"no image below {folder}; write some with `zoomin-train baseline images --out {folder}`")
    scorer.score(Image.new("RGB", (512, 512)))  # the first call prepares kernels, which is no image's time
    progress = Progress("scoring", len(files))
    for done, path in enumerate(files, start=1):
        name = path.relative_to(folder).as_posix()
        try:
            yield name, _score_once(scorer, path, answers, trained)
        except ZoomInError as error:
            print(f"left out {name}: {error.code}, {error.detail}", file=sys.stderr)
        progress.show(done)


def _score_once(scorer: Scorer, path: Path, answers: Journal, trained: str) -> Score:
    """Return the answer about the content of a file, a kept one if there is one. Raises: what decoding raises."""
    key = build_key(trained, hashlib.sha256(path.read_bytes()).hexdigest())
    text = answers.get(key)
    if text is None:
        text = _SCORE.dump_json(scorer.score(samples.open_image(path).pixels)).decode()
        answers.put(key, text)
    return _SCORE.validate_json(text)
