from pathlib import Path

import pytest

from pipeline import images
from pipeline.errors import BadSettings
from tests.support.builders import build_noise
from training.dataset import broken
from training.dataset.left_out import LeftOut


def name_broken(count: int) -> list[LeftOut]:
    return [LeftOut(f"{number}.png", "image_undecodable") for number in range(count)]


def test_a_file_is_its_image_or_why_it_is_broken(tmp_path: Path) -> None:
    data = images.encode_png(build_noise(64, 48))
    (tmp_path / "good.png").write_bytes(data)
    (tmp_path / "cut.png").write_bytes(data[:45])
    (tmp_path / "text.png").write_text("hello")
    opened = broken.read_image(tmp_path / "good.png", "good.png")
    assert not isinstance(opened, LeftOut)
    assert (opened[0], opened[1].size_px) == (data, (64, 48))
    found = [broken.read_image(tmp_path / f"{name}.png", name) for name in ("cut", "text", "none")]
    reasons = [fault.reason for fault in found if isinstance(fault, LeftOut)]
    assert reasons == ["image_undecodable", "image_refused", "file_unreadable"]
    assert set(reasons) <= broken.REASONS


@pytest.mark.parametrize(("count", "total"), [(0, 0), (1, 3), (5, 100), (500, 10_000)])
def test_a_few_are_let_pass(count: int, total: int) -> None:
    broken.refuse_many(name_broken(count), total, Path("set"))


@pytest.mark.parametrize(("count", "total"), [(2, 12), (6, 100)])
def test_many_refuse_the_set_with_the_reason(count: int, total: int) -> None:
    with pytest.raises(BadSettings, match=rf"{count} of {total} images of set .*{count} image_undecodable: 0.png.*5%"):
        broken.refuse_many(name_broken(count), total, Path("set"))


def test_what_is_left_out_is_told_to_readers_and_programs() -> None:
    faults = [*name_broken(30), LeftOut("x.png", "image_refused")]
    assert broken.describe(faults, "GenImage") == (
        "GenImage: 31 images cannot be read and are left out (30 image_undecodable: 0.png, 1 image_refused: x.png)"
    )
    report = broken.convert_to_json(faults)
    assert (report["images"], report["reasons"]) == (31, {"image_undecodable": 30, "image_refused": 1})
    assert len(report["files"]) == broken.MOST_LISTED
