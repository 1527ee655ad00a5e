"""Scoring of a folder: whole images by their paths, each with its seconds; broken files are left out."""

from itertools import count
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import nn

from pipeline import images
from pipeline.errors import BadSettings
from training.baselines import scoring
from training.baselines.scoring import Scorer
from training.detectors.score_file import Score


class Brightness(nn.Module):
    """Calls bright images generated."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean((1, 2, 3)) * 100


def write(path: Path, shade: int, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode_png(Image.new("RGB", size, (shade, shade, shade))))


def score(folder: Path) -> dict[str, Score]:
    ticks = count()
    scorer = Scorer(Brightness(), torch.device("cpu"), clock=lambda: float(next(ticks)))
    return dict(scoring.score_folder(scorer, folder))


def test_every_image_is_scored_by_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "scenes" / "dark.png", 0)
    write(tmp_path / "scenes-jpeg_30" / "bright.PNG", 255)
    (tmp_path / "scenes" / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    (tmp_path / "scenes" / "manifest.jsonl").write_text("")
    found = score(tmp_path)
    assert list(found) == ["scenes/dark.png", "scenes-jpeg_30/bright.PNG"]
    assert found["scenes/dark.png"].p_generated < 0.01
    assert found["scenes-jpeg_30/bright.PNG"].p_generated > 0.99
    assert {answer.seconds for answer in found.values()} == {1.0}
    assert "left out scenes/broken.jpg: image_undecodable" in capsys.readouterr().err


def test_a_folder_without_images_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"no image below .*zoomin-train baseline images"):
        score(tmp_path)


def test_a_huge_image_is_cut_to_its_middle() -> None:
    pixels = Image.new("RGB", (scoring.MAX_SIDE_PX + 100, 10))
    pixels.paste((255, 0, 0), (50, 0, scoring.MAX_SIDE_PX + 50, 10))
    cut = scoring.cut_middle(pixels)
    assert cut.size == (scoring.MAX_SIDE_PX, 10)
    assert cut.getcolors() == [(scoring.MAX_SIDE_PX * 10, (255, 0, 0))]
