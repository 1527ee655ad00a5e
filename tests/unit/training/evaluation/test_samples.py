from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import BadSettings, ImageUndecodable
from pipeline.verdict import BoundingBox, RgbImage, Verdict
from pipeline.wire.labels import LabelOrigin
from tests.support.live_images import LiveImages, write_set
from tests.support.photographs import load_photograph
from training.dataset import manifest
from training.dataset.labeled_image import CaseOrigin, LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.evaluation import samples
from training.evaluation.samples import Sample
from training.synthetic import scenes, unseen


def test_a_scene_is_held_against_the_explanation_of_all_its_details() -> None:
    scene = scenes.draw_scene(9)
    (sample,) = samples.convert_scenes([scene])
    assert (sample.label, sample.annotated) == (scene.label, scene.boxes)
    assert sample.reference == scenes.explain_check(scene.details)


def test_held_out_scenes_come_in_the_order_of_their_seeds_and_in_a_style() -> None:
    style = unseen.UNSEEN["unseen_grounds"]
    drawn = samples.draw_held_out(2, 1, first_seed=samples.VALIDATION_SEED, style=style)
    assert [sample.label for sample in drawn] == [Verdict.REAL, Verdict.GENERATED]
    expected = scenes.draw_scene(samples.VALIDATION_SEED + 1, style)
    assert images.digest_pixels(drawn[1].image.pixels) == images.digest_pixels(expected.image.pixels)


def test_photographs_are_judged_in_pairs_that_share_their_boxes(tmp_path: Path) -> None:
    load_photograph("camera").save(tmp_path / "a.png")
    real, generated = samples.load_photographs(tmp_path, 9, 1)
    assert (real.label, generated.label) == (Verdict.REAL, Verdict.GENERATED)
    assert real.annotated == generated.annotated
    assert (real.number, generated.number) == (0, 1)
    assert generated.reference != real.reference == "Crop 1: texture with natural irregular detail."
    assert generated.reference_scan == real.reference_scan == "The view tells nothing; check texture lower right."


def test_a_directory_gives_what_its_manifest_says(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    Image.new("RGB", (40, 30), "blue").save(tmp_path / "b.png")
    lines = [
        '{"file": "a.png", "label": "generated", "boxes": [[1, 2, 3, 4]], "explanations": {"scan": "s", "check": "c"}}',
        '{"file": "b.png", "label": "real", "source": "web"}',
    ]
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    first, second = samples.read_samples(tmp_path, 2)
    assert (first.number, first.image.size_px, first.label, first.reference) == (0, (40, 30), Verdict.GENERATED, "c")
    assert [box.corners for box in first.annotated] == [(1, 2, 3, 4)]
    assert (second.annotated, second.reference, second.source) == ((), None, "web")
    assert [(sample.weight, sample.undrawn) for sample in (first, second)] == [(1.0, False), (1.0, True)]


def test_an_image_of_the_traffic_has_the_weight_of_its_case(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), "red").save(tmp_path / "a.png")
    case = CaseOrigin(
        case_id="c",
        reasons=["control"],
        inclusion_probability=0.02,
        recorded_at=datetime(2026, 1, 1, tzinfo=UTC),
        label_origin=LabelOrigin.LABEL_STUDIO,
        blind=True,
    )
    manifest.write_manifest(tmp_path, [LabeledImage(file="a.png", label=Verdict.REAL, case=case)])
    assert samples.read_samples(tmp_path, 1)[0].weight == pytest.approx(50)


def test_what_stays_on_disk_is_the_same_and_decoded_when_it_is_taken(tmp_path: Path) -> None:
    for number in range(3):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"{number}.png")
    lines = [f'{{"file": "{n}.png", "label": "real", "source": "s{n}", "boxes": [[1, 2, 3, 4]]}}' for n in range(3)]
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    on_disk = samples.read_samples(tmp_path, 2)
    assert [(s.number, s.label, s.source, s.annotated) for s in on_disk] == [
        (place, Verdict.REAL, truth.source, (BoundingBox(1, 2, 3, 4),)) for place, truth in enumerate(on_disk.truths)
    ]
    assert len(on_disk[:1]) == 1
    (tmp_path / "2.png").unlink()
    with pytest.raises(BadSettings, match="1 file_unreadable"):
        samples.read_samples(tmp_path, 3)


def test_a_set_is_checked_with_a_few_images_in_memory_and_its_truths_load_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = LiveImages(monkeypatch)
    drawn = samples.read_samples(write_set(tmp_path, 12), 12, left_out=[])
    assert live.most <= 2
    assert live.total == 12
    half = samples.select_samples(drawn, range(11, 0, -2))
    assert [truth.file for truth in half.truths] == [f"{number:03d}.png" for number in range(11, 0, -2)]
    assert {truth.label for truth in half[:3].truths} == {Verdict.GENERATED}
    assert samples.list_truths(samples.bring_into_square(drawn)) == drawn.truths
    assert live.total == 12
    assert [samples.list_truths(list(drawn)), [s.number for s in half]] == [drawn.truths, list(range(11, 0, -2))]


def test_of_a_sorted_manifest_both_classes_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    for label in Verdict:
        Image.new("RGB", (8, 8), "red" if label is Verdict.REAL else "blue").save(tmp_path / f"{label}.png")
    lines = [f'{{"file": "{label}.png", "label": "{label}"}}' for label in ["real"] * 30 + ["generated"] * 30]
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    labels = [sample.label for sample in samples.read_samples(tmp_path, 20)]
    assert len(labels) == 20
    assert labels == sorted(labels, key=list(Verdict).index)
    assert 5 < labels.count(Verdict.REAL) < 15
    assert labels == [sample.label for sample in samples.read_samples(tmp_path, 20)]


def test_of_a_built_set_only_the_images_of_one_split_are_judged(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    splits = ("train", "validation", "test", "train")
    lines = [f'{{"file": "a.png", "label": "real", "source": "{name}", "split": "{name}"}}' for name in splits]
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    assert [sample.source for sample in samples.read_samples(tmp_path, 9)] == ["test"]
    held = samples.read_samples(tmp_path, 9, split=Split.VALIDATION)
    assert [sample.source for sample in held] == ["validation"]


def test_nothing_to_judge_is_said(tmp_path: Path) -> None:
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real", "split": "train"}\n')
    with pytest.raises(BadSettings, match=r"no image to judge.*split test"):
        samples.read_samples(tmp_path, 1)


def test_what_cannot_be_used_is_counted_and_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    Image.new("RGB", (40, 30)).save(tmp_path / "b.png")
    lines = ['{"file": "a.png", "label": "real"}', '{"file": "b.png", "label": "real", "boxes": [[9, 9, 3, 3]]}']
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    with pytest.raises(
        BadSettings, match=r"2 of 2 images .*1 image_undecodable: a\.png, 1 box_inverted_or_empty: b\.png"
    ):
        samples.read_samples(tmp_path, 9)


def test_a_broken_file_is_left_out_of_what_is_measured_and_counted(tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    for number in range(3):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"{number}.png")
    names = ["0", "broken", "1", "2"]
    (tmp_path / manifest.NAME).write_text("\n".join(f'{{"file": "{name}.png", "label": "real"}}' for name in names))
    left_out: list[LeftOut] = []
    drawn = list(samples.read_samples(tmp_path, 4, left_out=left_out))
    assert [sample.image.pixels.getpixel((0, 0))[0] for sample in drawn] == [0, 1, 2]
    assert [sample.number for sample in drawn] == [0, 1, 2]
    assert [(fault.name, fault.reason) for fault in left_out] == [("broken.png", "image_undecodable")]
    (tmp_path / "0.png").write_bytes(b"\x89PNG")
    with pytest.raises(BadSettings, match=r"2 of 4 images of .* cannot be read"):
        samples.read_samples(tmp_path, 4, left_out=[])


def test_boxes_that_cannot_be_are_faults_also_beside_a_broken_file(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    Image.new("RGB", (40, 30)).save(tmp_path / "b.png")
    lines = ['{"file": "a.png", "label": "real"}', '{"file": "b.png", "label": "real", "boxes": [[9, 9, 3, 3]]}']
    (tmp_path / manifest.NAME).write_text("\n".join(lines))
    with pytest.raises(BadSettings, match=r"1 of 2 images .*1 box_inverted_or_empty: b\.png"):
        samples.read_samples(tmp_path, 9, left_out=[])


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG")
    with pytest.raises(ImageUndecodable) as refused:
        samples.open_image(tmp_path / "a.png")
    assert refused.value.detail.startswith(f"{tmp_path / 'a.png'}: ")
    with pytest.raises(BadSettings, match=r"none\.png cannot be read"):
        samples.open_image(tmp_path / "none.png")


def test_the_paper_s_square_shows_the_centre_and_boxes_follow() -> None:
    pixels = Image.new("RGB", (2000, 1024), "gray")
    inside, outside = BoundingBox(900, 400, 1100, 600), BoundingBox(0, 0, 300, 300)
    pixels.paste((255, 0, 0), inside.corners)
    wide = Sample(0, RgbImage(pixels, "png"), Verdict.REAL, (inside, outside), reference="r", source="web")
    framed = Sample(1, RgbImage(Image.new("RGB", (512, 512)), "png"), Verdict.REAL, (BoundingBox(1, 2, 30, 40),))
    first, second = samples.bring_into_square([wide, framed])
    assert first.image.size_px == (512, 512)
    assert first.annotated == (BoundingBox(206, 200, 306, 300),)  # half the size, from x = 488 on
    red, green, _ = np.asarray(first.image.pixels)[250, 256]
    assert red > 240
    assert green < 20
    assert (first.number, first.label, first.reference, first.source) == (0, Verdict.REAL, "r", "web")
    assert second is framed
