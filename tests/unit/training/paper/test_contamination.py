import hashlib
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.labeled_images import build_image
from training.dataset import duplicates, frame, manifest
from training.dataset.labeled_image import LabeledImage, Split
from training.dataset.left_out import LeftOut
from training.paper import contamination
from training.paper.benchmarks import BenchmarkImage
from training.paper.contamination import SAME_FILE, SAME_PICTURE, TrainingSet
from training.synthetic import scenes


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [scenes.draw_scene(scenes.HELD_OUT_SEED + number).image.pixels for number in range(5)]


def save_pictures(directory: Path, pictures: list[Image.Image], *, file_format: str = "PNG") -> list[BenchmarkImage]:
    """Files of these pictures, as a test set lists them."""
    directory.mkdir()
    listed = []
    for number, picture in enumerate(pictures):
        file = directory / f"{number}.{file_format.lower()}"
        picture.save(file, file_format)
        listed.append(BenchmarkImage(file, Verdict.REAL))
    return listed


def write_manifest(directory: Path, listed: list[BenchmarkImage], *, split: Split | None = None) -> Path:
    """A directory whose manifest names these files."""
    lines = [LabeledImage(file=image.file.name, label=image.label, split=split).model_dump_json() for image in listed]
    (directory / manifest.NAME).write_text("\n".join(lines))
    return directory


def test_what_was_trained_on_is_left_out_and_counted_by_its_reason(tmp_path: Path, pictures: list[Image.Image]) -> None:
    trained = save_pictures(tmp_path / "trained", pictures[:3])
    test = save_pictures(tmp_path / "test", [pictures[0], ImageOps.mirror(pictures[1]), pictures[3]])
    test += save_pictures(
        tmp_path / "jpeg", [ImageEnhance.Brightness(pictures[2]).enhance(0.9), pictures[4]], file_format="JPEG"
    )
    training_set = TrainingSet.read(write_manifest(tmp_path / "trained", trained), 1)
    left, counts = contamination.exclude_contaminated(test, 10, training_set, title="GenImage", workers=1, left_out=[])
    assert [image.file for image in left] == [test[2].file, test[4].file]
    assert counts == {SAME_FILE: 1, SAME_PICTURE: 2}


def test_others_are_drawn_in_their_place(tmp_path: Path, pictures: list[Image.Image]) -> None:
    drawn = save_pictures(tmp_path / "test", pictures)
    training_set = TrainingSet.read(
        write_manifest(tmp_path / "trained", save_pictures(tmp_path / "trained", pictures[:2])), 1
    )
    left, counts = contamination.exclude_contaminated(drawn, 2, training_set, title="GenImage", workers=1, left_out=[])
    assert [image.file.name for image in left] == ["2.png", "3.png"]
    assert counts.total() == 2


def test_a_built_set_is_known_by_its_sources_and_its_test_split_is_no_training(
    tmp_path: Path, pictures: list[Image.Image]
) -> None:
    drawn = save_pictures(tmp_path / "test", pictures[:4])
    hashes = [duplicates.compute_fingerprint(frame.apply_codec_chain(picture)).upright for picture in pictures]
    digests = [hashlib.sha256(image.file.read_bytes()).hexdigest() for image in drawn]
    manifest.write_manifest(
        tmp_path,
        [
            build_image(0, source_sha256=digests[0]),
            build_image(1, perceptual_hash=hashes[1], split=Split.VALIDATION),
            build_image(2, perceptual_hash=hashes[2], source_sha256=digests[2], split=Split.TEST),
        ],
    )
    left, counts = contamination.exclude_contaminated(
        drawn, 9, TrainingSet.read(tmp_path, 1), title="GenImage", workers=1, left_out=[]
    )
    assert [image.file.name for image in left] == ["2.png", "3.png"]
    assert counts == {SAME_FILE: 1, SAME_PICTURE: 1}


def test_a_test_set_that_was_trained_on_as_a_whole_is_refused(tmp_path: Path, pictures: list[Image.Image]) -> None:
    drawn = save_pictures(tmp_path / "test", pictures[:2])
    training_set = TrainingSet.read(write_manifest(tmp_path / "test", drawn), 1)
    with pytest.raises(BadSettings, match="all 2 images of GenImage are in the training set; give another directory"):
        contamination.exclude_contaminated(drawn, 9, training_set, title="GenImage", workers=1, left_out=[])


def test_broken_files_are_counted_and_others_are_drawn_in_their_place(
    tmp_path: Path, pictures: list[Image.Image]
) -> None:
    drawn = save_pictures(tmp_path / "test", pictures[:4])
    training_set = TrainingSet.read(write_manifest(tmp_path / "test", drawn[:1]), 1)
    drawn[1].file.write_bytes(drawn[1].file.read_bytes()[:45])
    left_out: list[LeftOut] = []
    left, counts = contamination.exclude_contaminated(
        drawn, 2, training_set, title="GenImage", workers=1, left_out=left_out
    )
    assert ([image.file.name for image in left], counts) == (["2.png", "3.png"], {SAME_FILE: 1})
    assert [(Path(fault.name).name, fault.reason) for fault in left_out] == [("1.png", "image_undecodable")]
