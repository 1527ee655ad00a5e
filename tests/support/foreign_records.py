"""Records that storage servers and transports send, as users reported them, each with what it has to become."""

import json
from dataclasses import dataclass

from tests.support.builders import build_bridge_event

BUCKET, KEY = "uploads", "a/b.jpg"


@dataclass(frozen=True)
class ForeignRecord:
    """`images`: how many events it has; none: it is ignored for a reason, or refused with a detail, of these words."""

    name: str
    value: object
    images: int = 0
    words: str = ""
    refused: bool = False


def build_minio_notification(
    name: str = "s3:ObjectCreated:Put", *, key: str = "a%2Fb.jpg", size: int = 5
) -> dict[str, object]:
    """Build a notification with all fields that MinIO sends."""
    stored = {
        "key": key,
        "size": size,
        "eTag": "e" * 32,
        "contentType": "image/jpeg",
        "userMetadata": {"content-type": "image/jpeg"},
        "sequencer": "1",
    }
    owner = {"principalId": "x"}
    bucket = {"name": BUCKET, "ownerIdentity": owner, "arn": f"arn:aws:s3:::{BUCKET}"}
    entry = {
        "eventVersion": "2.0",
        "eventSource": "minio:s3",
        "awsRegion": "",
        "eventTime": "2026-01-01T00:00:00Z",
        "eventName": name,
        "userIdentity": owner,
        "requestParameters": {},
        "responseElements": {},
        "s3": {"s3SchemaVersion": "1.0", "configurationId": "Config", "bucket": bucket, "object": stored},
        "source": {"host": "", "port": "", "userAgent": ""},
    }
    return {"EventName": name, "Key": f"{BUCKET}/{KEY}", "Records": [entry]}


def list_foreign_records() -> list[ForeignRecord]:
    upload = build_minio_notification()
    text = json.dumps(upload)
    sns = {"Type": "Notification", "MessageId": "m", "TopicArn": "arn:aws:sns:x", "Message": text, "Timestamp": "x"}
    sqs = {"messageId": "m", "receiptHandle": "h", "body": text, "eventSource": "aws:sqs"}
    ignored = [
        ("minio-tag-put", "s3:ObjectCreated:PutTagging", "no new bytes"),
        ("minio-tag-delete", "s3:ObjectCreated:DeleteTagging", "no new bytes"),
        ("minio-retention", "s3:ObjectCreated:PutRetention", "no new bytes"),
        ("minio-legal-hold", "s3:ObjectCreated:PutLegalHold", "no new bytes"),
        ("minio-accessed-get", "s3:ObjectAccessed:Get", "no new image"),
        ("minio-transition", "s3:ObjectTransition:Complete", "no new image"),
        ("minio-scanner", "s3:Scanner:ManyVersions", "no new image"),
        ("minio-bucket", "s3:BucketCreated:*", "no new image"),
        ("ceph-lifecycle", "ObjectLifecycle:Expiration:Current", "no new image"),
        ("ceph-synced-delete", "ObjectSynced:Delete", "no new image"),
        ("aws-rrs-lost", "ReducedRedundancyLostObject", "no new image"),
        ("aws-annotation", "ObjectAnnotation:Put", "no new image"),
    ]
    return [
        *(ForeignRecord(name, build_minio_notification(event), words=words) for name, event, words in ignored),
        ForeignRecord("rustfs-tag", build_minio_notification("s3:ObjectCreated:PutTagging", key=""), words="bytes"),
        ForeignRecord("folder-marker", build_minio_notification(key="2026/07/", size=0), words="a folder marker"),
        ForeignRecord("upload", upload, images=1),
        ForeignRecord("ceph-synced-create", build_minio_notification("ObjectSynced:Create"), images=1),
        ForeignRecord("sns", sns, images=1),
        ForeignRecord("sns-test-event", sns | {"Message": '{"Event": "s3:TestEvent"}'}, words="no new image"),
        ForeignRecord("lambda-sns", {"Records": [{"EventSource": "aws:sns", "Sns": sns}]}, images=1),
        ForeignRecord("lambda-sqs", {"Records": [sqs]}, images=1),
        ForeignRecord("pipes", [sqs, sqs | {"messageId": "n"}], images=2),
        ForeignRecord("list-of-s3", upload["Records"], images=1),
        ForeignRecord("connect", {"schema": {"type": "struct"}, "payload": upload}, images=1),
        ForeignRecord("eventbridge", build_bridge_event() | {"account": "1"}, images=1),
        ForeignRecord("sns-in-sqs", sqs | {"body": json.dumps(sns)}, words="switch raw message delivery", refused=True),
        ForeignRecord("debezium", {"before": None, "after": {}, "op": "c"}, words="outbox event router", refused=True),
        ForeignRecord(
            "unknown-name", build_minio_notification("s3:ObjectEaten:Put"), words="'s3:ObjectEaten:Put'", refused=True
        ),
    ]
