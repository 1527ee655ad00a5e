"""Single objects on a real S3: conditional writes, bounded reads, deletion."""

import pytest

from pipeline.errors import ImageMissing, ImageTooLarge
from pipeline.storage.objects import create_object, delete_objects, read_object, replace_object, write_object
from tests.support.servers.services import S3ForTests


def test_an_object_is_created_once_and_replaced_only_by_who_has_seen_it(seaweedfs: S3ForTests) -> None:
    bucket, client = seaweedfs.create_bucket("objects"), seaweedfs.client
    assert create_object(client, bucket, "a/b.json", b"1")
    assert not create_object(client, bucket, "a/b.json", b"2")
    first = read_object(client, bucket, "a/b.json", max_bytes=10)
    assert first.body == b"1"
    assert replace_object(client, bucket, "a/b.json", b"3", etag=first.etag)
    assert not replace_object(client, bucket, "a/b.json", b"4", etag=first.etag), "another was faster"
    assert not replace_object(client, bucket, "a/none.json", b"4", etag=first.etag)
    write_object(client, bucket, "a/b.json", b"5")
    assert read_object(client, bucket, "a/b.json", max_bytes=10).body == b"5"


def test_reads_are_bounded_and_what_is_gone_is_told(seaweedfs: S3ForTests) -> None:
    bucket, client = seaweedfs.create_bucket("objects"), seaweedfs.client
    write_object(client, bucket, "large", b"x" * 11, content_type="image/png")
    with pytest.raises(ImageTooLarge, match="more than 10 bytes"):
        read_object(client, bucket, "large", max_bytes=10)
    delete_objects(client, bucket, ["large", "never-was"])
    delete_objects(client, bucket, [])
    with pytest.raises(ImageMissing):
        read_object(client, bucket, "large", max_bytes=10)
    with pytest.raises(ImageMissing, match="NoSuchBucket"):
        read_object(client, "none-such-bucket", "key", max_bytes=10)
