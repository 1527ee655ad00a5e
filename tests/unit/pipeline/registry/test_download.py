import hashlib
from pathlib import Path

import pytest

from pipeline.errors import AccessDenied, StoreUnavailable
from pipeline.registry.download import ATTEMPTS, download_file
from pipeline.registry.manifest import RevisionFile
from tests.support.memory_s3 import MemoryS3
from tests.support.registries import build_registry

CONTENT = bytes(range(256)) * 100
FILE = RevisionFile(sha256=hashlib.sha256(CONTENT).hexdigest(), bytes=len(CONTENT))


@pytest.mark.parametrize("begun", [b"", CONTENT[:1000], CONTENT, CONTENT + b"more", b"x" * 1000, b"x" * len(CONTENT)])
def test_whatever_was_begun_the_file_is_whole_at_the_end(begun: bytes, tmp_path: Path) -> None:
    s3, part = MemoryS3(), tmp_path / "part"
    s3.objects["weights"] = CONTENT
    part.write_bytes(begun)
    download_file(build_registry(s3), "weights", FILE, part, pause=lambda: None)
    assert part.read_bytes() == CONTENT


def test_it_is_given_up_after_some_attempts_without_a_byte(tmp_path: Path) -> None:
    s3, part, pauses = MemoryS3(), tmp_path / "part", []
    s3.objects["weights"] = CONTENT
    s3.breaks = [100, *[0] * ATTEMPTS]
    with pytest.raises(StoreUnavailable):
        download_file(build_registry(s3), "weights", FILE, part, pause=lambda: pauses.append(part.stat().st_size))
    assert pauses == [100] * ATTEMPTS
    assert part.read_bytes() == CONTENT[:100]


def test_a_denied_object_is_not_asked_for_again(tmp_path: Path) -> None:
    s3 = MemoryS3()
    s3.refuse_reads = ("weights",)
    with pytest.raises(AccessDenied):
        download_file(build_registry(s3), "weights", FILE, tmp_path / "part", pause=lambda: pytest.fail("it waits"))
