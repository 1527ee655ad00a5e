"""Count the decoded images that are in memory at once, and write sets to count them on."""

import weakref
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.verdict import RgbImage, Verdict
from training.dataset import manifest
from training.dataset.labeled_image import LabeledImage


class LiveImages:
    """Counts images while they live, decoded ones and their copies alike: each is the pixels of an `RgbImage`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.most = 0
        self.total = 0
        self._alive: set[int] = set()
        create = RgbImage.__init__

        def create_and_count(image: RgbImage, *args: Any, **fields: Any) -> None:
            create(image, *args, **fields)
            self._count(image.pixels)

        monkeypatch.setattr(RgbImage, "__init__", create_and_count)

    def _count(self, pixels: Image.Image) -> None:
        key = id(pixels)
        if key in self._alive:
            return
        self._alive.add(key)
        weakref.finalize(pixels, self._alive.discard, key)
        self.total += 1
        self.most = max(self.most, len(self._alive))


def write_set(directory: Path, count: int) -> Path:
    """Write a set of small images with annotated boxes, every second one generated."""
    entries = []
    for number in range(count):
        file = f"{number:03d}.png"
        Image.new("RGB", (64, 48), (number * 7 % 256, number, 90)).save(directory / file)
        label = Verdict.GENERATED if number % 2 else Verdict.REAL
        entries.append(LabeledImage(file=file, label=label, boxes=[(8, 8, 40, 40)], source="web"))
    manifest.write_manifest(directory, entries)
    return directory
