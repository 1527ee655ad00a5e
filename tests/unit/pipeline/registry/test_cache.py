import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from pipeline.checkpoint import Checkpoint
from pipeline.errors import BadSettings, StoreUnavailable
from pipeline.registry.cache import RevisionCache
from pipeline.registry.registry import ModelRegistry
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import NAME, build_files, build_registry, put_manifest, put_revision

LARGE = b"w" * 3_000_000


@pytest.fixture
def s3() -> MemoryS3:
    return MemoryS3()


@pytest.fixture
def registry(s3: MemoryS3) -> ModelRegistry:
    return build_registry(s3)


@pytest.fixture
def notices() -> list[str]:
    return []


@pytest.fixture
def cache(tmp_path: Path, notices: list[str]) -> RevisionCache:
    return RevisionCache(tmp_path / "cache", 10_000_000, notify=notices.append, sleep=lambda _: None)


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expect_refusal(cache: RevisionCache, registry: ModelRegistry, revision: str, message: str) -> None:
    with pytest.raises(BadSettings, match=message), cache.fetch(registry, revision):
        raise AssertionError("it is handed out")


def test_a_fetched_folder_is_a_checkpoint_of_that_name_and_revision(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    files = build_files() | {"smoke/0.png": b"png", "smoke/a/notes.json": b"{}"}
    manifest = put_revision(s3, files)
    with cache.fetch(registry, manifest.revision) as folder:
        assert read_folder(folder) == files
        checkpoint = Checkpoint.read(folder)
    assert (checkpoint.name, checkpoint.revision) == (NAME, manifest.revision)


def test_a_second_fetch_downloads_nothing_and_checks_all(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    manifest = put_revision(s3)
    for _ in range(2):
        with cache.fetch(registry, manifest.revision) as folder:
            pass
    downloads = [key for verb, key in s3.requests if verb == "get" and not key.endswith("manifest.json")]
    assert sorted(downloads) == sorted(registry.build_file_key(manifest.revision, path) for path in manifest.files)
    (folder / "model.safetensors").write_bytes(b"WEIGHTS")
    with cache.fetch(registry, manifest.revision):
        assert read_folder(folder) == build_files()


def test_what_is_not_of_the_manifest_is_deleted(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache, notices: list[str], tmp_path: Path
) -> None:
    manifest = put_revision(s3, build_files() | {"smoke/0.png": b"png"})
    with cache.fetch(registry, manifest.revision) as folder:
        pass
    (folder / "added.safetensors").write_bytes(b"foreign weights")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "0.png").write_bytes(b"png")
    (folder / "smoke" / "0.png").unlink()
    (folder / "smoke").rmdir()
    (folder / "smoke").symlink_to(tmp_path / "elsewhere")
    (folder / "README.md").unlink()
    (folder / "README.md").symlink_to(tmp_path / "elsewhere" / "0.png")
    with cache.fetch(registry, manifest.revision):
        assert sorted(read_folder(folder)) == sorted(manifest.files)
        assert not [path for path in folder.rglob("*") if path.is_symlink()]
    assert (tmp_path / "elsewhere" / "0.png").read_bytes() == b"png", "what a link led to is not ours"
    assert any("added.safetensors is not what its manifest says" in notice for notice in notices)


def test_a_broken_download_goes_on_where_it_was(s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache) -> None:
    manifest = put_revision(s3, build_files(LARGE))
    s3.breaks = [9, 9, 2_500_000, 0, 300_000]  # the first two are for small files
    with cache.fetch(registry, manifest.revision) as folder:
        assert read_folder(folder) == build_files(LARGE)
    assert s3.sent_bytes < len(LARGE) + 10_000


def test_a_download_that_was_given_up_is_taken_up_by_the_next_fetch(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    manifest = put_revision(s3, build_files(LARGE))
    s3.breaks = [9, 9, 2_500_000] + [0] * 20
    with pytest.raises(StoreUnavailable), cache.fetch(registry, manifest.revision):
        raise AssertionError("it is not complete")
    s3.breaks = []
    s3.sent_bytes = 0
    with cache.fetch(registry, manifest.revision) as folder:
        assert read_folder(folder) == build_files(LARGE)
    assert s3.sent_bytes < len(LARGE)


@pytest.mark.parametrize("content", [b"WEIGHTS", b"weight", b"weights and more", None])
def test_a_wrong_file_is_named_and_nothing_of_it_stays(
    content: bytes | None, s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    manifest = put_revision(s3)
    key = registry.build_file_key(manifest.revision, "model.safetensors")
    if content is None:
        del s3.objects[key]
    else:
        s3.objects[key] = content
    expect_refusal(
        cache, registry, manifest.revision, r"s3://models/models/zoomin-7b/revisions/sha256-.*/model.safetensors is"
    )
    assert content not in [path.read_bytes() for path in cache.directory.rglob("*") if path.is_file()]


def test_a_manifest_that_names_files_of_another_revision_is_refused(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    manifest, other = put_revision(s3), put_revision(s3, build_files(b"others"))
    for path in other.files:
        s3.objects[registry.build_file_key(manifest.revision, path)] = build_files(b"others")[path]
    put_manifest(s3, manifest.model_copy(update={"files": other.files}))
    expect_refusal(cache, registry, manifest.revision, f"lists the files of {other.revision}")


def test_the_longest_unused_goes_first_and_a_held_one_never(
    s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache
) -> None:
    manifests = [put_revision(s3, build_files(bytes([number]) * 4_000_000)) for number in range(4)]
    with ExitStack() as held:
        first = held.enter_context(cache.fetch(registry, manifests[0].revision))
        with cache.fetch(registry, manifests[1].revision) as second:
            pass
        with cache.fetch(registry, manifests[2].revision) as third:
            assert (first.exists(), second.exists(), third.exists()) == (True, False, True)
            expect_refusal(cache, registry, manifests[3].revision, r"raise its bound of 10,000,000 bytes by 2,000,033")
    with cache.fetch(registry, manifests[3].revision):
        assert (first.exists(), third.exists()) == (False, True)


def test_a_full_disk_is_said_before_a_byte_is_written(s3: MemoryS3, registry: ModelRegistry, tmp_path: Path) -> None:
    manifest = put_revision(s3)
    huge = {path: file.model_copy(update={"bytes": 1 << 60}) for path, file in manifest.files.items()}
    put_manifest(s3, manifest.model_copy(update={"files": huge}))
    expect_refusal(RevisionCache(tmp_path, 1 << 63), registry, manifest.revision, "bytes are missing on its disk")
    assert not [key for verb, key in s3.requests if verb == "get" and not key.endswith("manifest.json")]


def test_one_downloads_and_the_others_wait(s3: MemoryS3, registry: ModelRegistry, cache: RevisionCache) -> None:
    manifest = put_revision(s3)
    ready, folders = threading.Barrier(4), []

    def fetch() -> None:
        ready.wait(10)
        with cache.fetch(registry, manifest.revision) as folder:
            folders.append(read_folder(folder))

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert folders == [build_files()] * 4
    downloads = [key for verb, key in s3.requests if verb == "get" and not key.endswith("manifest.json")]
    assert len(downloads) == len(manifest.files)
