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
from training.common.journal import Journal
from training.detectors.score_file import Score


class Brightness(nn.Module):
    """Calls bright images generated; counts its calls, and breaks at the one that `breaks_at` names."""

    def __init__(self, breaks_at: int = -1) -> None:
        super().__init__()
        self.calls, self.breaks_at = 0, breaks_at

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        if self.calls == self.breaks_at:
            raise KeyboardInterrupt
        return pixels.mean((1, 2, 3)) * 100


def write(path: Path, shade: int, size: tuple[int, int] = (8, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(images.encode_png(Image.new("RGB", size, (shade, shade, shade))))


def score(
    folder: Path, network: Brightness | None = None, *, answers: Path | None = None, digest: str = "one"
) -> dict[str, Score]:
    ticks = count()
    scorer = Scorer(network or Brightness(), torch.device("cpu"), clock=lambda: float(next(ticks)))
    with Journal(answers or folder / "answers.jsonl") as journal:
        return dict(scoring.score_folder(scorer, folder, journal, trained=digest))


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


def test_a_killed_scoring_goes_on_where_it_stopped(tmp_path: Path) -> None:
    folder, answers = tmp_path / "images", tmp_path / "npr.csv.answers"
    for number in range(4):
        write(folder / f"{number}.png", 60 * number)
    with pytest.raises(KeyboardInterrupt):
        score(folder, Brightness(breaks_at=4), answers=answers)  # the first call is no image
    resumed = Brightness()
    found = score(folder, resumed, answers=answers)
    assert resumed.calls == 1 + 2, "two of four images were answered before"
    assert found == score(folder, answers=tmp_path / "other")
    write(folder / "0.png", 200)
    again = Brightness()
    assert score(folder, again, answers=answers)["0.png"] != found["0.png"], "it is another image now"
    assert again.calls == 1 + 1
    trained_again = Brightness()
    score(folder, trained_again, answers=answers, digest="two")
    assert trained_again.calls == 1 + 4


def test_a_folder_without_images_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match=r"no image below .*zoomin-train baseline images"):
        score(tmp_path)


def test_a_huge_image_is_cut_to_its_middle() -> None:
    pixels = Image.new("RGB", (scoring.MAX_SIDE_PX + 100, 10))
    pixels.paste((255, 0, 0), (50, 0, scoring.MAX_SIDE_PX + 50, 10))
    cut = scoring.cut_middle(pixels)
    assert cut.size == (scoring.MAX_SIDE_PX, 10)
    assert cut.getcolors() == [(scoring.MAX_SIDE_PX * 10, (255, 0, 0))]
