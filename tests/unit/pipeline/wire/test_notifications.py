from dataclasses import replace
from typing import Any

import pytest

from pipeline.wire.entries import IgnoredEntry, ImageEvent, ImageRef, RefusedEntry
from pipeline.wire.events import parse_record
from pipeline.wire.record import RawRecord
from tests.support.builders import AWS, build_bridge_event, build_notification, build_record
from tests.support.entries import read_events, read_ignored, read_images, read_malformed

# Shape 3: S3 notifications


@pytest.mark.parametrize(
    ("key", "stored", "image"),
    [
        ("a.jpg", {}, ImageRef("photos", "a.jpg")),
        ("a+b%2Bc.jpg", {}, ImageRef("photos", "a b+c.jpg")),
        ("a+b.jpg", {"eTag": "e"}, ImageRef("photos", "a b.jpg", "e", other_key="a+b.jpg")),
        ("a b.jpg", {"eTag": '"e"', "versionId": None}, ImageRef("photos", "a b.jpg", "e")),
        (
            "100%25.jpg",
            {"eTag": "e", "versionId": "v"},
            ImageRef("photos", "100%.jpg", "e", "v", other_key="100%25.jpg"),
        ),
        ("100%ff.jpg", {"eTag": "e"}, ImageRef("photos", "100%ff.jpg", "e")),
        ("%C3%A4" * 400, {"eTag": "e"}, ImageRef("photos", "ä" * 400, "e")),
        ("a+b.jpg", {"eTag": "", "versionId": ""}, ImageRef("photos", "a b.jpg")),
    ],
)
def test_notification_keys_are_read_in_both_ways(key: str, stored: dict[str, object], image: ImageRef) -> None:
    assert read_images(build_notification(("photos", key), **stored)) == [image]
    assert read_images(
        build_notification(("photos", key), name="s3:ObjectCreated:CompleteMultipartUpload", **stored)
    ) == [image]


def test_every_created_object_of_a_notification_is_read_and_others_are_not() -> None:
    body = build_notification(("photos", "a"), ("photos", "b"), ("photos", "c"))
    body["Records"][1]["eventName"] = "ObjectRemoved:Delete"  # type: ignore[index]
    entries = parse_record(build_record(body), AWS)
    assert [(type(e), e.index) for e in entries] == [(ImageEvent, (0,)), (IgnoredEntry, (1,)), (ImageEvent, (2,))]


JUDGED = {
    "S3": ["ObjectCreated:Put", "ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"],
    "Ceph": ["ObjectSynced:Create", "Replication:Create"],
    "a later S3": ["ObjectCreated:Rename"],
}
IGNORED = {
    "AWS": [
        "TestEvent", "IntelligentTiering", "ReducedRedundancyLostObject", "ObjectAcl:Put", "ObjectTagging:Put",
        "ObjectTagging:Delete", "ObjectAnnotation:Put", "ObjectAnnotation:Delete", "ObjectRemoved:Delete",
        "ObjectRemoved:DeleteMarkerCreated", "ObjectRestore:Post", "ObjectRestore:Completed", "ObjectRestore:Delete",
        "LifecycleExpiration:Delete", "LifecycleExpiration:DeleteMarkerCreated", "LifecycleTransition",
        "Replication:OperationFailedReplication", "Replication:OperationMissedThreshold",
        "Replication:OperationNotTracked", "Replication:OperationReplicatedAfterThreshold",
    ],
    "MinIO": [
        "ObjectCreated:PutTagging", "ObjectCreated:DeleteTagging", "ObjectCreated:PutRetention",
        "ObjectCreated:PutLegalHold", "ObjectAccessed:Get", "ObjectAccessed:Head", "ObjectAccessed:GetRetention",
        "ObjectAccessed:GetLegalHold", "ObjectAccessed:Attributes", "ObjectTransition:Complete",
        "ObjectTransition:Failed", "ObjectRemoved:NoOP", "ObjectRemoved:DeleteAllVersions",
        "LifecycleDelMarkerExpiration:Delete", "Replication:OperationCompletedReplication", "BucketCreated:*",
        "BucketRemoved:*", "Scanner:ManyVersions", "Scanner:LargeVersions", "Scanner:BigPrefix",
    ],
    "Ceph": [
        "ObjectSynced:Delete", "ObjectSynced:DeletionMarkerCreated", "ObjectLifecycle:Expiration:Current",
        "ObjectLifecycle:Expiration:NonCurrent", "ObjectLifecycle:Expiration:Noncurrent",
        "ObjectLifecycle:Expiration:DeleteMarker", "ObjectLifecycle:Expiration:AbortMultipartUpload",
        "ObjectLifecycle:Expiration:AbortMPU", "ObjectLifecycle:Transition:Current",
        "ObjectLifecycle:Transition:NonCurrent", "ObjectLifecycle:Transition:Noncurrent", "Replication:Delete",
        "Replication:DeletionMarkerCreated",
    ],
}  # fmt: skip
UNKNOWN = ["ObjectEaten:Put", "ObjectCreated", "ObjectCreated:", "objectcreated:Put", "s3:s3:ObjectCreated:Put",
           "ObjectSynced:Eaten", "ObjectSynced", "ObjectSynced:*", "ObjectAccessedX:Get",
           "UnknownEvent", ""]  # fmt: skip


def list_names(families: dict[str, list[str]]) -> list[str]:
    return [prefix + name for names in families.values() for name in names for prefix in ("", "s3:")]


@pytest.mark.parametrize("name", list_names(JUDGED))
def test_names_that_bring_bytes_are_judged(name: str) -> None:
    assert read_images(build_notification(("photos", "a"), name=name)) == [ImageRef("photos", "a")]


@pytest.mark.parametrize("name", list_names(IGNORED))
def test_names_that_bring_no_new_bytes_are_ignored(name: str) -> None:
    (reason,) = read_ignored(build_notification(("photos", "a"), name=name))
    assert name.removeprefix("s3:") in reason
    assert read_ignored({"Records": [{"eventName": name}]})  # whatever else the entry lacks, its key for example


@pytest.mark.parametrize("name", UNKNOWN)
def test_other_names_are_malformed(name: str) -> None:
    read_malformed(build_notification(("photos", "a"), name=name))


def test_a_tag_loop_ends_at_its_first_turn() -> None:
    """A reader that writes each verdict back as a tag causes a notification, which must not be judged again."""
    tagged = build_notification(("photos", "a"), name="s3:ObjectCreated:PutTagging", eTag="e", sequencer="2")
    assert read_ignored(tagged) == ["'ObjectCreated:PutTagging' brings no new bytes"]


@pytest.mark.parametrize("key", ["2026/07/", "2026%2F07%2F", "/"])
def test_a_folder_of_a_console_is_ignored(key: str) -> None:
    assert read_ignored(build_notification(("photos", key), size=0))[0].startswith("a folder marker")
    assert read_ignored(build_bridge_event(key="2026/07/", size=0))[0].startswith("a folder marker")


@pytest.mark.parametrize(
    ("key", "size"), [("2026/07/", 5), ("2026/07/", None), ("2026/07/", "0"), ("a.jpg", 0), ("a.jpg", [])]
)
def test_only_a_folder_of_no_bytes_is_one(key: str, size: object) -> None:
    assert read_images(build_notification(("photos", key), size=size)) == [ImageRef("photos", key)]


def test_the_test_event_is_ignored() -> None:
    sent = {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "Test-Bucket", "RequestId": "1"}
    assert read_ignored(sent) == ["'TestEvent' brings no new image"]


@pytest.mark.parametrize(
    "body",
    [
        {"Records": []},
        {"Records": {}},
        {"Records": [7]},
        {"Records": [{}]},
        {"Records": [{"eventName": 5}]},
        {"Event": "s3:Other"},
        {"Event": "s3:ObjectCreated:Put"},
        build_notification(("photos", "")),
        build_notification(("photos", "a"), eTag=5),
        {"Records": [{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "photos"}}}]},
        build_notification(*[("photos", str(i)) for i in range(101)]),
    ],
)
def test_odd_notifications_are_malformed(body: object) -> None:
    read_malformed(body)


def test_an_entry_that_cannot_be_read_is_refused_alone() -> None:
    body = build_notification(("photos", "a"), ("secret", "b"), ("photos", "../c"), ("photos", "d"), eTag="e")
    first, forbidden, stepped, last = parse_record(build_record(body), AWS)
    assert isinstance(first, ImageEvent)
    assert isinstance(last, ImageEvent)
    assert isinstance(forbidden, RefusedEntry)
    assert isinstance(stepped, RefusedEntry)
    assert [(e.error.code, e.index) for e in (forbidden, stepped)] == [
        ("bucket_forbidden", (1,)),
        ("malformed_event", (2,)),
    ]
    assert None not in (forbidden.event_id, stepped.event_id)  # their upload is named, although it may not be read


def test_too_many_entries_are_one_refusal() -> None:
    broken = {"Records": [{"eventName": "ObjectCreated:Put"}] * 101}
    assert read_malformed(broken) == "more than 100 images in one record"
    removed = [{"eventName": "ObjectRemoved:Delete"}]
    assert len(read_ignored({"Records": removed * 1000})) == 1000
    assert read_malformed({"Records": removed * 1001}) == "more than 1000 entries in one record"


def build_mixed_record(broken: int, *, padding: int = 0, **kw: Any) -> RawRecord:
    """Build a record with a good entry between two groups of broken ones; it may have a large header, too."""
    names = ["../a"] * (broken // 2) + ["good"] + ["../b"] * (broken - broken // 2)
    record = build_record(build_notification(*[("photos", name) for name in names]), **kw)
    return replace(record, headers=(*record.headers, ("padding", b"x" * padding)))


def test_many_broken_entries_of_a_large_record_share_one_letter_and_their_neighbours_are_judged() -> None:
    """Each letter of its own would hold the whole record."""
    shared, good = parse_record(build_mixed_record(40, padding=900_000), AWS)
    assert isinstance(good, ImageEvent)
    assert (good.image.key, good.index) == ("good", (20,))
    assert isinstance(shared, RefusedEntry)
    assert (shared.error.code, shared.index, shared.event_id) == ("malformed_event", (), None)
    for named in ("40 share this letter", "index 0", "only dots"):
        assert named in shared.error.detail


@pytest.mark.parametrize(("broken", "padding"), [(40, 0), (10, 900_000), (1, 17_000_000)])
def test_broken_entries_have_letters_of_their_own_while_these_are_small_together(broken: int, padding: int) -> None:
    entries = parse_record(build_mixed_record(broken, padding=padding), AWS)
    assert len(entries) == broken + 1
    assert all(entry.index for entry in entries)


def test_a_replay_of_a_shared_letter_means_what_that_letter_has_named() -> None:
    """It means all entries: the good one has its id of before, the broken ones may be readable by then."""
    _, first_good = parse_record(build_mixed_record(40, padding=900_000), AWS)
    headers: dict[str, bytes | None] = {"zoomin-replay-of": b"zoomin.images/3@42"}
    replayed = build_mixed_record(40, padding=900_000, offset=99, headers=headers)
    shared, good = parse_record(replayed, AWS)
    assert good == first_good
    assert isinstance(shared, RefusedEntry)


def test_a_shared_letter_of_a_replayed_member_names_that_member() -> None:
    member = build_notification(*[("photos", "../a")] * 40)
    headers: dict[str, bytes | None] = {"zoomin-replay-of": b"zoomin.images/3@42#1"}
    record = build_record([{"url": "s3://photos/a"}, member], headers=headers)
    (shared,) = parse_record(replace(record, headers=(*record.headers, ("padding", b"x" * 900_000))), AWS)
    assert isinstance(shared, RefusedEntry)
    assert (shared.index, "index 1.0" in shared.error.detail) == ((1,), True)
    assert len(shared.error.detail) <= 512


def test_a_hundred_images_are_read() -> None:
    assert len(read_images(build_notification(*[("photos", str(i)) for i in range(100)]))) == 100


# Shape 4: EventBridge


def test_eventbridge_keys_are_raw() -> None:
    (event,) = read_events(build_bridge_event(etag="e", **{"version-id": "v", "sequencer": "0055"}))
    assert event.image == ImageRef("photos", "a+b%20.jpg", "e", "v")
    assert event.event_id == "b-1"


@pytest.mark.parametrize(
    "kind",
    [
        "Object Deleted",
        "Object Tags Added",
        "Object Tags Deleted",
        "Object ACL Updated",
        "Object Restore Initiated",
        "Object Restore Completed",
        "Object Restore Expired",
        "Object Storage Class Changed",
        "Object Access Tier Changed",
    ],
)
def test_other_eventbridge_types_are_ignored(kind: str) -> None:
    assert read_ignored(build_bridge_event(kind)) == [f"{kind!r} brings no new image"]


@pytest.mark.parametrize(
    "body", [build_bridge_event("Object Eaten"), {"detail-type": "Object Created"}, {"detail-type": 5}]
)
def test_odd_eventbridge_events_are_malformed(body: object) -> None:
    read_malformed(body)
