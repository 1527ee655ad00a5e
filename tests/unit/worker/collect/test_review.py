import json
from hashlib import sha256
from typing import Any

import pytest

from pipeline.errors import BucketForbidden, ImageChanged, MalformedEvent
from pipeline.wire.labels import LabelCase, LabelEvent, LabelOrigin
from pipeline.wire.messages import VerdictEvent
from tests.support.builders import build_noise, build_record, encode_image
from tests.support.collecting import Desk
from tests.support.handlers import BUCKET
from tests.support.verdicts import build_verdict

FILE = encode_image(build_noise(), "PNG")
DIGEST = sha256(FILE).hexdigest()
REVIEW = {
    "event_id": "event-1",
    "verdict": "real",
    "reviewer": "r1",
    "reason": "appeal",
    "time": "2026-01-02T00:00:00Z",
}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    stored = desk.uploads.put(BUCKET, "a.png", FILE)
    desk.publish(build_uploaded(stored.etag))
    return desk


def build_uploaded(etag: str, *, bucket: str = BUCKET) -> VerdictEvent:
    verdict = build_verdict(bucket=bucket, key="a.png", sha256=DIGEST, size=(64, 48))
    return verdict.model_copy(update={"image": verdict.image.model_copy(update={"etag": etag})})


async def collect(desk: Desk, **fields: Any) -> None:
    await desk.reviews.collect(build_record(REVIEW | fields), desk.start_stopwatch())


def read_labels(desk: Desk) -> list[LabelEvent]:
    found = sorted(key for key in desk.bucket.objects if key.startswith("labels/"))
    return [LabelEvent.model_validate_json(desk.bucket.objects[key]) for key in found]


async def test_image_case_and_label_are_written_in_this_order(desk: Desk) -> None:
    await collect(desk, explanation="It is my cat.")
    image, case, label = [key for verb, key in desk.bucket.requests if verb == "put"]
    assert image == f"images/{DIGEST}.png"
    written = LabelCase.model_validate_json(desk.bucket.objects[case])
    assert (written.reasons, written.inclusion_probability) == (["review"], 0.0)
    (found,) = read_labels(desk)
    assert label == f"labels/{written.case_id}/{found.label_id}.json"
    assert (found.annotator, found.origin, found.explanation, found.boxes) == ("r1", "review", "It is my cat.", None)
    assert desk.read_outcomes() == {"labeled": 1.0}


async def test_a_repeat_writes_nothing_and_a_correction_is_a_label_of_its_own(desk: Desk) -> None:
    await collect(desk)
    before = dict(desk.bucket.objects)
    await collect(desk)
    assert desk.bucket.objects == before
    await collect(desk, verdict="unsure", time="2026-01-03T00:00:00Z")
    assert sorted(label.verdict for label in read_labels(desk)) == ["real", "unsure"]


async def test_a_review_names_the_last_one_of_its_reviewer_before_it_and_a_repeat_changes_nothing(desk: Desk) -> None:
    reviews = [
        {"time": "2026-01-02T00:00:00Z"},
        {"time": "2026-01-03T00:00:00Z", "verdict": "unsure"},
        {"time": "2026-01-04T00:00:00Z"},
    ]
    for fields in reviews:
        await collect(desk, **fields)
    before = dict(desk.bucket.objects)
    for fields in reviews:
        await collect(desk, **fields)
    assert desk.bucket.objects == before
    first, second, third = sorted(read_labels(desk), key=lambda label: label.created_at)
    assert (first.supersedes, second.supersedes, third.supersedes) == (None, first.label_id, second.label_id)


async def test_a_review_names_no_label_of_others_no_later_one_and_none_that_cannot_be_read(desk: Desk) -> None:
    await collect(desk, reviewer="r2")
    (other,) = read_labels(desk)
    folder = f"labels/{other.case_id}/"
    namesake = other.model_copy(update={"label_id": "1", "annotator": "r1", "origin": LabelOrigin.LABEL_STUDIO})
    desk.bucket.objects |= {f"{folder}1.json": namesake.model_dump_json().encode(), f"{folder}2.json": b"foreign"}
    await collect(desk, time="2026-01-05T00:00:00Z")
    del desk.bucket.objects[f"{folder}2.json"]
    await collect(desk, time="2026-01-04T00:00:00Z")
    assert [label.supersedes for label in read_labels(desk)] == [None] * 4


async def test_a_case_that_the_worker_sampled_stays_and_its_image_is_not_fetched_again(desk: Desk) -> None:
    await collect(desk)
    (case,) = [key for key in desk.bucket.objects if key.startswith("cases/")]
    desk.bucket.objects[case] = b"sampled"
    desk.uploads.delete(BUCKET, "a.png")
    await collect(desk, reviewer="r2")
    assert desk.bucket.objects[case] == b"sampled"
    assert len(read_labels(desk)) == 2


@pytest.mark.parametrize(
    ("boxes", "clipped"),
    [
        ([], []),
        ([[0, 0, 64, 48]], [(0, 0, 64, 48)]),
        ([[60, 40, 999, 999], [1, 2, 3, 4]], [(60, 40, 64, 48), (1, 2, 3, 4)]),
    ],
)
async def test_boxes_are_cut_at_the_edge_of_the_image(desk: Desk, boxes: object, clipped: object) -> None:
    await collect(desk, boxes=boxes)
    assert [label.boxes for label in read_labels(desk)] == [clipped]


@pytest.mark.parametrize("box", [[64, 0, 70, 9], [0, 48, 9, 60]])
async def test_a_box_outside_the_image_is_refused_by_its_number(desk: Desk, box: list[int]) -> None:
    with pytest.raises(MalformedEvent, match=r"boxes\.1: lies outside the image of 64 x 48 pixels"):
        await collect(desk, boxes=[[0, 0, 1, 1], box])
    assert not desk.bucket.objects


async def test_an_object_that_has_changed_is_no_image_of_this_verdict(desk: Desk) -> None:
    desk.uploads.put(BUCKET, "a.png", encode_image(build_noise(seed=1), "PNG"))
    with pytest.raises(ImageChanged):
        await collect(desk)
    assert not desk.bucket.objects


async def test_a_bucket_that_is_allowed_no_longer_is_not_asked(desk: Desk) -> None:
    desk.publish(build_uploaded("e", bucket="elsewhere"))
    with pytest.raises(BucketForbidden):
        await collect(desk)


async def test_a_deleted_image_is_not_brought_back(desk: Desk) -> None:
    desk.bucket.objects[f"deleted/{DIGEST}.json"] = b"{}"
    await collect(desk)
    assert desk.bucket.objects.keys() == {f"deleted/{DIGEST}.json"}
    assert desk.read_outcomes() == {"withheld": 1.0}


async def test_what_a_killed_delivery_wrote_beside_an_erasure_goes_with_the_next_one(desk: Desk) -> None:
    await collect(desk)
    desk.bucket.objects[f"deleted/{DIGEST}.json"] = b"{}"
    await collect(desk)
    assert desk.bucket.objects.keys() == {f"deleted/{DIGEST}.json"}


async def test_an_erasure_at_the_same_time_is_finished_by_the_review(desk: Desk) -> None:
    class Racing(type(desk.bucket)):  # type: ignore[misc]  # a class of the fixture's own bucket
        def put_object(self, **fields: Any) -> dict[str, object]:
            if fields["Key"].startswith("labels/"):
                self.objects[f"deleted/{DIGEST}.json"] = b"{}"
            return super().put_object(**fields)

    desk.bucket.__class__ = Racing
    await collect(desk)
    assert desk.bucket.objects.keys() == {f"deleted/{DIGEST}.json"}
    assert json.loads(desk.bucket.objects[f"deleted/{DIGEST}.json"])["case_ids"] == ["verdict-of-event-1"]
