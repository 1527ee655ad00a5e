"""Large files on real S3: uploaded in parts with their digest, read from any byte on."""

import hashlib
from pathlib import Path

import pytest

from pipeline.errors import ImageMissing
from pipeline.storage.objects import stream_object
from pipeline.storage.uploads import TRANSFER, UploadedObject, find_uploaded, upload_file
from tests.support.servers.services import S3ForTests, VersityGw


@pytest.mark.parametrize("parts", [0, 2])
@pytest.mark.parametrize("server", ["seaweedfs", "versitygw"])
def test_a_file_is_there_with_its_digest_however_many_parts_it_has(
    server: str, parts: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    service = request.getfixturevalue(server)
    s3: S3ForTests = getattr(service, "s3", service)
    bucket, path = s3.create_bucket("weights"), tmp_path / "model.safetensors"
    content = bytes(range(256)) * (TRANSFER.multipart_threshold // 256) * parts + b"end"
    path.write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    assert find_uploaded(s3.client, bucket, "a/model") is None
    upload_file(s3.client, bucket, "a/model", path, sha256=digest)
    assert find_uploaded(s3.client, bucket, "a/model") == UploadedObject(len(content), digest)
    middle = len(content) // 2
    assert b"".join(stream_object(s3.client, bucket, "a/model")) == content
    assert b"".join(stream_object(s3.client, bucket, "a/model", first_byte=middle)) == content[middle:]
    s3.client.put_object(Bucket=bucket, Key="a/model", Body=b"by hand")
    assert find_uploaded(s3.client, bucket, "a/model") == UploadedObject(7, None)


def test_a_bucket_that_is_missing_is_said(versitygw: VersityGw, tmp_path: Path) -> None:
    """SeaweedFS creates a bucket for who may."""
    (tmp_path / "file").write_bytes(b"content")
    with pytest.raises(ImageMissing, match="NoSuchBucket"):
        upload_file(versitygw.s3.client, "none-such-bucket", "key", tmp_path / "file", sha256="0")
