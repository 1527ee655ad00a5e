import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from pipeline.errors import InternalFault
from pipeline.verdict import Verdict
from tests.support.builders import build_noise
from tests.support.labeled_images import build_image
from training.annotation import dataset_card
from training.annotation.build import Built
from training.annotation.endpoint import Spent
from training.annotation.purification import Fate
from training.dataset import frame
from training.dataset.frame import FrameOptions, locate_frame
from training.dataset.left_out import LeftOut
from training.dataset.placement import place_in_frame


@pytest.fixture
def built(tmp_path: Path) -> Built:
    """Real images came as JPEG, generated ones as PNG; all are framed alike."""
    formats = {Verdict.REAL: "jpeg", Verdict.GENERATED: "png"}
    shown = [build_image(n) for n in range(40)]
    shown = [build_image(n, source_format=formats[one.label]) for n, one in enumerate(shown)]
    for number, one in enumerate(shown):
        (tmp_path / one.file).parent.mkdir(parents=True, exist_ok=True)
        pixels = frame.render_frame(build_noise(80, 80, seed=number), place_in_frame((80, 80), "full"))
        (tmp_path / locate_frame(frame.write_frame(tmp_path, pixels))).replace(tmp_path / one.file)
    left_out = [LeftOut("a", "duplicate"), LeftOut("b", "grounding: rate_limited"), LeftOut("c", "duplicate")]
    spent = {"explain": Spent(requests=41, prompt_tokens=12_345, answer_tokens=678, usd=0.5)}
    return Built(shown, left_out, Counter({Fate.OVER_HALF: 7}), FrameOptions(), spent)


def test_the_page_tells_what_was_built_and_what_was_not(tmp_path: Path, built: Built) -> None:
    card = dataset_card.build_dataset_card(tmp_path, built, workers=1)
    dataset_card.write_dataset_card(tmp_path, card, built.images)
    page = (tmp_path / "README.md").read_text()
    for line in (
        "| share with a box | 100.0% | 100.0% | 100.0% | 99.5% |",
        "| boxes an image | 1.00 | 1.00 | 1.00 | 3.24 |",
        "| train (80%) | 20 | 20 |",
        "3 files did not come in",
        "| duplicate | 2 |",
        "| grounding: rate_limited | 1 |",
        "| over half of the image | 7 |",
        "| files as they came (format, size, length, name) | 1.000 |",
        "| files of this set | 0.500 |",
        "| band energies of this set | 0.",
        "the whole image up to 12,600,000 pixels, one JPEG step",
        "| explain | 41 | 0 | 0 | 12,345 | 678 | 0.50 |",
    ):
        assert line in page
    shown = [line.partition("(")[2].rstrip(")") for line in page.splitlines() if line.startswith("![")]
    assert len(shown) == 5
    for name in shown:
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 500


def test_the_same_figures_are_there_for_machines(tmp_path: Path, built: Built) -> None:
    card = dataset_card.build_dataset_card(tmp_path, built, workers=1)
    dataset_card.write_dataset_card(tmp_path, card, built.images)
    read = json.loads((tmp_path / "card.json").read_text())
    assert read["figures"]["whole"]["images"] == 40
    assert read["figures"]["by_split"]["train"] == {"real": 20, "generated": 20}
    assert read["left_out"] == {"duplicate": 2, "grounding: rate_limited": 1}
    assert read["fates"] == {"over half of the image": 7}
    assert (read["before"]["balanced_accuracy"]["value"], read["at_chance"]) == (1.0, True)


def test_files_that_tell_the_classes_apart_are_refused(tmp_path: Path, built: Built) -> None:
    for one in built.images:
        if one.label is Verdict.GENERATED:
            with (tmp_path / one.file).open("ab") as stream:
                stream.write(b"\0")
    card = dataset_card.build_dataset_card(tmp_path, built, workers=1)
    with pytest.raises(InternalFault, match="length_bytes most of all"):
        card.leaks.refuse(accepted=False)


def test_broken_files_are_counted_and_named(tmp_path: Path, built: Built) -> None:
    repaired = [
        build_image(n, repaired=True, source_file=f"cut-{n}.jpg") if n < 12 else one
        for n, one in enumerate(built.images)
    ]
    left_out = [LeftOut("lost.jpg", "image_repaired"), LeftOut("a", "duplicate")]
    card = dataset_card.build_dataset_card(
        tmp_path, Built(repaired, left_out, Counter(), FrameOptions(keep_repaired=True)), workers=1
    )
    page = dataset_card.render("set", card)
    assert "Broken files in this set: 12 (cut-0.jpg, cut-1.jpg, " in page
    assert "cut-9.jpg, and more)." in page
    assert "Broken files left out: 1 (lost.jpg)." in page
    assert "Broken files" not in dataset_card.render("set", dataset_card.build_dataset_card(tmp_path, built, workers=1))


def test_groups_of_both_classes_are_pointed_out(tmp_path: Path, built: Built) -> None:
    joined = [build_image(n, group="g") if n < 2 else one for n, one in enumerate(built.images)]
    card = dataset_card.build_dataset_card(tmp_path, Built(joined, [], Counter(), FrameOptions()), workers=1)
    assert "1 groups hold both classes" in dataset_card.render("set", card)
