from collections import Counter
from pathlib import Path

import pytest

from pipeline import images
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.builders import build_noise
from tests.support.labeled_images import build_image
from training.dataset import faults, manifest
from training.dataset.labeled_image import LabeledImage

R, G = Verdict.REAL, Verdict.GENERATED


def entry(directory: Path, name: str, label: Verdict, *boxes: tuple[int, int, int, int], seed: int = 0) -> LabeledImage:
    """Of a file of 64 x 48 px."""
    (directory / name).write_bytes(images.encode_png(build_noise(64, 48, seed=seed)))
    return LabeledImage(file=name, label=label, boxes=list(boxes))


def test_what_can_be_used_comes_with_its_pixels(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "a.png", R, (0, 0, 64, 48)), entry(tmp_path, "b.png", G, seed=1)]
    (tmp_path / "again.png").write_bytes((tmp_path / "a.png").read_bytes())
    entries.append(LabeledImage(file="again.png", label=R))
    found = list(faults.open_checked(tmp_path, entries))
    assert [one for one, _ in found] == entries
    assert all(image.size_px == (64, 48) for _, image in found)


def test_faults_are_counted_by_reason_and_none_is_passed_over(tmp_path: Path) -> None:
    entries = [
        entry(tmp_path, "a.png", R),
        entry(tmp_path, "same.png", G),
        entry(tmp_path, "turned.png", R, (1, 1, 9, 9), (30, 30, 20, 40), seed=1),
        entry(tmp_path, "flat.png", R, (5, 5, 5, 9), seed=2),
        entry(tmp_path, "wide.png", G, (0, 0, 65, 48), seed=3),
        entry(tmp_path, "left.png", G, (-1, 0, 9, 9), seed=4),
        LabeledImage(file="none.png", label=R),
        LabeledImage(file="text.png", label=R),
        LabeledImage(file="cut.png", label=R),
    ]
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "cut.png").write_bytes((tmp_path / "wide.png").read_bytes()[:50])
    checking = faults.open_checked(tmp_path, entries)
    assert next(checking)[0].file == "a.png"
    with pytest.raises(BadSettings) as refused:
        next(checking)
    said = refused.value.detail
    assert said.startswith(f"8 of 9 images of {tmp_path} cannot be used (")
    for part in (
        "1 mixed_labels: same.png",
        "2 box_inverted_or_empty: turned.png",
        "2 box_beyond_the_image: wide.png",
        "1 file_unreadable: none.png",
        "1 image_refused: text.png",
        "1 image_undecodable: cut.png",
        f"`zoomin-train build {tmp_path} --labels-only --out SET`",
    ):
        assert part in said


def test_a_repaired_image_may_be_measured_and_not_be_trained_on(tmp_path: Path) -> None:
    entries = [entry(tmp_path, "a.png", R), entry(tmp_path, "cut.png", G, seed=1)]
    assert faults.refuse_unfit(tmp_path, entries) == {"a.png": (64, 48), "cut.png": (64, 48)}
    whole = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    assert len(list(faults.open_checked(tmp_path, entries))) == 2
    with pytest.raises(BadSettings, match="1 image_repaired: cut"):
        faults.refuse_unfit(tmp_path, entries)


def test_a_set_of_one_class_is_refused_with_its_counts(tmp_path: Path) -> None:
    with pytest.raises(
        BadSettings, match="too one-sided to train on: 3 real, 0 generated; the smaller class needs 20%"
    ):
        faults.refuse_unfit(tmp_path, [LabeledImage(file=f"{n}.png", label=R) for n in range(3)])
    faults.refuse_one_sided(Counter({R: 4, G: 1}))
    with pytest.raises(BadSettings, match=r"9 real, 2 generated \(left out: none\); the smaller"):
        faults.refuse_one_sided(Counter({R: 9, G: 2}), " (left out: none)")


def test_a_built_set_is_not_read_again(tmp_path: Path) -> None:
    manifest.write_manifest(tmp_path, [build_image(1), build_image(2)])
    built = list(manifest.read_manifest(tmp_path))
    assert faults.refuse_unfit(tmp_path, built) == {image.file: (512, 512) for image in built}
    with pytest.raises(BadSettings, match="2 file_unreadable"):
        list(faults.open_checked(tmp_path, built))


def test_sets_that_share_an_image_do_not_prove_each_other(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        directory.mkdir()
    entries = [entry(one, f"{seed}.png", R, seed=seed) for seed in range(3)]
    others = [entry(two, f"other-{seed}.png", R, seed=seed) for seed in (2, 3)]
    faults.refuse_shared(one, entries[:2], two, others)
    with pytest.raises(BadSettings, match=r"1 of 2 images of .*two are in .*one too \(other-2\.png\)"):
        faults.refuse_shared(one, entries, two, others)


def test_images_of_built_sets_are_known_by_their_names(tmp_path: Path) -> None:
    manifest.write_manifest(tmp_path, [build_image(number) for number in range(3)])
    one, *others = manifest.read_manifest(tmp_path)
    faults.refuse_shared(tmp_path, [one], tmp_path, others)
    with pytest.raises(BadSettings, match="1 of 3 images"):
        faults.refuse_shared(tmp_path, [one], tmp_path, [one, *others])
