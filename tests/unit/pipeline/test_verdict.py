import pytest
from PIL import Image

from pipeline.verdict import BoundingBox, Crop, GlobalScan, Inspection, LocalCheck, ModelImage, Status, Verdict

BOX = BoundingBox(1, 2, 11, 22)
CROP = Crop(BOX, ModelImage(Image.new("RGB", (28, 28)), "0" * 64))
CHECK = LocalCheck(Verdict.GENERATED, 0.9, "why")


def build_inspection(*, crops: tuple[Crop, ...] = (CROP,), check: LocalCheck | None = CHECK) -> Inspection:
    return Inspection(GlobalScan(Verdict.REAL, 0.3, (BOX,), "why"), crops, check)


@pytest.mark.parametrize("corners", [(0, 0, 0, 5), (5, 0, 4, 5), (0, 5, 5, 5), (-1, 0, 5, 5), (0, -1, 5, 5)])
def test_no_box_is_empty_or_below_zero(corners: tuple[int, int, int, int]) -> None:
    with pytest.raises(ValueError, match="not a box"):
        BoundingBox(*corners)


def test_a_box_is_half_open() -> None:
    assert (BOX.width_px, BOX.height_px, BOX.area_px, BOX.corners) == (10, 20, 200, (1, 2, 11, 22))


def test_the_last_answer_is_the_check_where_there_is_one() -> None:
    assert build_inspection().last_answer == CHECK
    alone = build_inspection(check=None)
    assert alone.last_answer == alone.scan


def test_corrected_is_what_the_second_query_overturned() -> None:
    assert build_inspection().corrected
    assert not build_inspection(check=None).corrected
    assert not build_inspection(check=LocalCheck(Verdict.REAL, 0.1, "why")).corrected


@pytest.mark.parametrize(
    ("crops", "check", "status"),
    [
        ((CROP,), CHECK, Status.COMPLETE),
        ((), CHECK, Status.UNGROUNDED),
        ((), None, Status.DEGRADED),
        ((CROP,), None, Status.DEGRADED),
    ],
)
def test_status(crops: tuple[Crop, ...], check: LocalCheck | None, status: Status) -> None:
    assert build_inspection(crops=crops, check=check).status is status
