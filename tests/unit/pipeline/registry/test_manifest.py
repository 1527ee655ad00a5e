import pytest
from pydantic import ValidationError

from pipeline.registry.manifest import RevisionManifest
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import put_revision


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a\\..\\b", "a//b", "./a", "a/", ".", "", "manifest.json", "a\nb", "x" * 513],
)
def test_a_path_that_leaves_the_folder_is_refused(path: str) -> None:
    manifest = put_revision(MemoryS3())
    fields = manifest.model_dump(mode="json")
    fields["files"][path] = fields["files"]["config.json"]
    with pytest.raises(ValidationError, match="files"):
        RevisionManifest.model_validate(fields)
    fields = manifest.model_dump(mode="json") | {"smoke": [{"image": path, "verdict": "real"}]}
    with pytest.raises(ValidationError, match="smoke"):
        RevisionManifest.model_validate(fields)


def test_a_manifest_is_read_back_as_it_was_written() -> None:
    manifest = put_revision(MemoryS3(), {"config.json": b"{}", "smoke/0 ä.png": b"png"})
    assert RevisionManifest.model_validate_json(manifest.model_dump_json()) == manifest
    assert manifest.total_bytes == 5
