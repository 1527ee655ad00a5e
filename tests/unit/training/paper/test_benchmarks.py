import json
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from pipeline import images
from pipeline.errors import BadSettings, ImageUndecodable
from pipeline.verdict import BoundingBox, Verdict
from training.evaluation.samples import Sample
from training.paper import benchmarks
from training.paper.benchmarks import BenchmarkImage

R, G = Verdict.REAL, Verdict.GENERATED


def picture(file: Path, shade: int = 0, size: tuple[int, int] = (60, 40)) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(images.encode_png(Image.new("RGB", size, (shade, 0, 0))))


def load(listed: list[BenchmarkImage], directory: Path) -> list[Sample]:
    return list(benchmarks.build_lazy_samples(listed, directory))


def genimage(root: Path) -> Path:
    for generator, each in (("ADM", 3), ("Midjourney", 9)):
        for folder in ("ai", "nature"):
            for number in range(each):
                picture(root / generator / "val" / folder / f"{number}.PNG", number)
                picture(root / generator / "train" / folder / f"{number}.png", 200)
    return root


def test_genimage_is_drawn_evenly_from_validation_folders(tmp_path: Path) -> None:
    drawn = load(benchmarks.list_genimage(genimage(tmp_path), 8), tmp_path)
    assert Counter((sample.source, sample.label) for sample in drawn) == {
        (source, label): 2 for source in ("ADM", "Midjourney") for label in (R, G)
    }
    assert all(sample.image.pixels.getpixel((0, 0))[0] < 200 for sample in drawn)
    assert [sample.number for sample in drawn] == list(range(8))
    again = load(benchmarks.list_genimage(tmp_path, 8), tmp_path)
    assert [images.digest_pixels(sample.image.pixels) for sample in drawn] == [
        images.digest_pixels(sample.image.pixels) for sample in again
    ]


def test_genimage_is_read_as_its_archives_unpack(tmp_path: Path) -> None:
    for generator, archive in (("ADM", "imagenet_ai_0508_adm"), ("BigGAN", "imagenet_ai_0419_biggan")):
        for folder in ("ai", "nature"):
            picture(tmp_path / generator / archive / "val" / folder / "1.JPEG", 1)
            picture(tmp_path / generator / archive / "train" / folder / "2.JPEG", 200)
            picture(tmp_path / generator / archive / "val" / folder / "._1.JPEG")
    picture(tmp_path / "__MACOSX" / "ADM" / "._note.png")
    drawn = load(benchmarks.list_genimage(tmp_path, 8), tmp_path)
    assert Counter((sample.source, sample.label) for sample in drawn) == {
        (source, label): 1 for source in ("ADM", "BigGAN") for label in (R, G)
    }
    picture(tmp_path / "ADM" / "another" / "val" / "ai" / "1.png")
    with pytest.raises(BadSettings, match=r"ADM/val is not laid out as published: .*<Generator>/<archive>/val/"):
        benchmarks.list_genimage(tmp_path, 8)


def test_a_small_generator_does_not_limit_the_others(tmp_path: Path) -> None:
    drawn = benchmarks.list_genimage(genimage(tmp_path), 1000)
    assert Counter(sample.source for sample in drawn) == {"ADM": 6, "Midjourney": 18}


def test_genimage_without_a_class_is_refused(tmp_path: Path) -> None:
    picture(tmp_path / "ADM" / "val" / "ai" / "1.png")
    with pytest.raises(BadSettings, match=r"ADM/val/nature is not laid out as published: expected <Generator>/val/"):
        benchmarks.list_genimage(tmp_path, 5)


REASONS = {
    "sd3/1_fake/a.png": {"lighting": " Two shadows. ", "texture": None, "hands": "Six fingers."},
    "0_real/b.png": {"lighting": None},
}


def mmfr(root: Path, *, inside: bool = False) -> Path:
    sets = root / "evaluation_sets"
    picture(sets / "sd3" / "1_fake" / "a.png")
    picture(sets / "sd3" / "0_real" / "b.png")
    file = sets / "sd3" / "sd3_reasoning.json" if inside else sets / "sd3_reasoning.json"
    file.write_text(json.dumps(REASONS))
    return root


@pytest.mark.parametrize("inside", [False, True])
def test_mmfr_is_read_with_what_is_said_of_its_images(tmp_path: Path, inside: bool) -> None:
    found = load(benchmarks.list_mmfr(mmfr(tmp_path, inside=inside), 10), tmp_path)
    assert [(sample.label, sample.source, sample.reference) for sample in found] == [
        (R, "sd3", None),
        (G, "sd3", "Two shadows. Six fingers."),
    ]


@pytest.mark.parametrize(
    ("reasons", "message"),
    [
        (None, "sd3_reasoning.json is not laid out as published"),
        ("no json", "is not JSON"),
        ("[]", "expected an object of attributes"),
        ('{"a": "text"}', "expected an object of attributes"),
    ],
)
def test_mmfr_with_other_reasons_is_refused(tmp_path: Path, reasons: str | None, message: str) -> None:
    file = mmfr(tmp_path) / "evaluation_sets" / "sd3_reasoning.json"
    file.unlink()
    if reasons is not None:
        file.write_text(reasons)
    with pytest.raises(BadSettings, match=message):
        benchmarks.list_mmfr(tmp_path, 5)


ENTRY = {
    "file_name": "a.png",
    "caption": "The hand has six fingers.",
    "refs": [
        {"sentence": "six fingers", "segmentation": [[10, 5, 30, 6, 20, 25.4]]},
        {"sentence": "beyond the edge", "segmentation": [[50, 30, 90, 30, 70, 90], [0, 0, 4, 0, 4, 4]]},
    ],
}


def synthscars(root: Path, content: object, *, folder: str = "annoations") -> Path:
    picture(root / "test" / "images" / "a.png")
    (root / "test" / folder).mkdir()
    (root / "test" / folder / "test.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return root


@pytest.mark.parametrize(
    "content", [[ENTRY], {"17": ENTRY}, [{"17": {**ENTRY, "file_name": None, "img_file_name": "a.png"}}]]
)
@pytest.mark.parametrize("folder", ["annoations", "annotations"])
def test_synthscars_boxes_are_the_bounds_of_polygons(tmp_path: Path, content: object, folder: str) -> None:
    (sample,) = load(benchmarks.list_synthscars(synthscars(tmp_path, content, folder=folder), 10), tmp_path)
    assert sample.label is G
    assert sample.reference == "The hand has six fingers."
    assert sample.annotated == (BoundingBox(10, 5, 30, 25), BoundingBox(50, 30, 60, 40), BoundingBox(0, 0, 4, 4))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is not JSON"),
        (["text"], "an entry that is no object"),
        ([{"caption": "c", "refs": [], "size": 3}], "without file_name or refs"),
        ([{**ENTRY, "file_name": "missing.png"}], r"missing\.png is not laid out as published"),
        ([{**ENTRY, "file_name": "../../test/annoations/test.json"}], "is not laid out as published"),
        ([{**ENTRY, "refs": [{"sentence": "s"}]}], "a ref without segmentation"),
        ([{**ENTRY, "refs": [{"segmentation": [[1, 2, 3]]}]}], "no list of x and y in turn"),
        ([{**ENTRY, "refs": [{"segmentation": {"counts": "RLE"}}]}], "a ref without segmentation"),
    ],
)
def test_synthscars_of_another_layout_is_refused(tmp_path: Path, content: object, message: str) -> None:
    with pytest.raises(BadSettings, match=message):
        benchmarks.list_synthscars(synthscars(tmp_path, content), 5)


@pytest.mark.parametrize("name", benchmarks.LOADERS)
def test_a_place_that_is_not_there_says_what_was_expected(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadSettings, match=r"is not laid out as published: expected"):
        benchmarks.LOADERS[name](tmp_path / "nowhere", 5)


def test_a_broken_image_is_not_skipped(tmp_path: Path) -> None:
    (genimage(tmp_path) / "ADM" / "val" / "ai" / "0.PNG").write_bytes(b"\x89PNG broken")
    with pytest.raises(ImageUndecodable) as broken:
        load(benchmarks.list_genimage(tmp_path, 1000), tmp_path)
    assert "0.PNG" in broken.value.detail


def test_an_image_is_decoded_when_it_is_taken(tmp_path: Path) -> None:
    listed = benchmarks.list_genimage(genimage(tmp_path), 5)
    listed[3].file.unlink()
    on_disk = benchmarks.build_lazy_samples(listed, tmp_path)
    assert len(on_disk) == 5
    assert [(truth.label, truth.source, truth.file) for truth in on_disk.truths] == [
        (image.label, image.source, image.file.relative_to(tmp_path).as_posix()) for image in listed
    ]
    assert (on_disk[4].number, on_disk[4].source) == (4, listed[4].source)
    assert tmp_path / on_disk[4].file == listed[4].file
    assert [sample.label for sample in on_disk[:2]] == [image.label for image in listed[:2]]
    with pytest.raises(BadSettings, match="cannot be read"):
        on_disk[3]
