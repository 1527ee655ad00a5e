from collections.abc import Callable

import pytest

from pipeline.errors import BadSettings
from pipeline.registry.champion import Champion
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NOW, build_files, build_registry, put_manifest, put_revision


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def registry(s3: MemoryS3) -> ModelRegistry:
    return build_registry(s3)


def build_champion(revision: str, by: str = "anna") -> Champion:
    return Champion(revision=revision, promoted_at=NOW, by=by, reason="better", previous=None)


def test_the_pointer_changes_for_who_has_seen_it_last(s3: MemoryS3, registry: ModelRegistry) -> None:
    revision = put_revision(s3).revision
    assert registry.read_pointer() is None
    assert registry.write_pointer(build_champion(revision), etag=None)
    assert not registry.write_pointer(build_champion(revision, "ben"), etag=None)
    pointer = registry.read_pointer()
    assert pointer is not None
    assert pointer.champion == build_champion(revision)
    assert registry.write_pointer(build_champion(revision, "cleo"), etag=pointer.etag)
    assert not registry.write_pointer(build_champion(revision, "dora"), etag=pointer.etag)


def test_a_pointer_that_cannot_be_read_is_named(s3: MemoryS3, registry: ModelRegistry) -> None:
    s3.objects["models/zoomin-7b/champion.json"] = b'{"revision": "newest"}'
    with pytest.raises(BadSettings, match=r"s3://models/models/zoomin-7b/champion.json cannot be read: revision"):
        registry.read_pointer()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s3, key, other: s3.objects.pop(key), "manifest.json is missing: push the revision again"),
        (lambda s3, key, other: s3.objects.update({key: b"{"}), "manifest.json cannot be read: the whole"),
        (lambda s3, key, other: s3.objects.update({key: s3.objects[other]}), "is the manifest of another revision"),
    ],
)
def test_a_manifest_that_is_missing_or_wrong_is_named(
    spoil: Callable[[MemoryS3, str, str], None], message: str, s3: MemoryS3, registry: ModelRegistry
) -> None:
    manifest, other = put_revision(s3), put_revision(s3, build_files(b"others"))
    assert registry.read_manifest(manifest.revision) == manifest
    assert list(registry.list_revisions()) == sorted([manifest.revision, other.revision])
    spoil(
        s3,
        registry.build_file_key(manifest.revision, "manifest.json"),
        registry.build_file_key(other.revision, "manifest.json"),
    )
    with pytest.raises(BadSettings, match=message):
        registry.read_manifest(manifest.revision)
    put_manifest(s3, manifest)
    assert registry.read_manifest(manifest.revision) == manifest
