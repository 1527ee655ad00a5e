"""Download one file of a revision: it goes on with the bytes that are there, and checks the digest of the whole."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import AccessDenied, BadSettings, ImageMissing, StoreUnavailable
from pipeline.registry.manifest import RevisionFile
from pipeline.registry.registry import ModelRegistry
from pipeline.storage.objects import stream_object

ATTEMPTS = 5
"""attempts in a row without a new byte, after which the download is given up"""
PART_BYTES = 1 << 20


def download_file(
    registry: ModelRegistry, key: str, file: RevisionFile, part: Path, *, pause: Callable[[], None]
) -> None:
    """Bring the file `part` to the whole content of the object `key`; `pause` waits between attempts, and may raise.

    Raises: BadSettings if the object is missing, or is not what `file` says; `part` is deleted then. AccessDenied and
    StoreUnavailable; `part` stays then, and the next download goes on with it.
    """
    place = f"s3://{registry.bucket}/{key}"
    is_resumed = part.exists()
    try:
        digest = _complete(registry, key, file, part, pause)
        if digest != file.sha256 and is_resumed:  # the bytes that were there may be to blame
            part.unlink()
            digest = _complete(registry, key, file, part, pause)
    except ImageMissing as error:
        raise BadSettings(f"{place} is missing: push the revision again with `zoomin-train models push`") from error
    if digest != file.sha256:
        part.unlink()
        raise BadSettings(
            f"{place} is not the file that the manifest names (sha256 {digest} instead of {file.sha256}): "
            "delete this object and push the revision again with `zoomin-train models push`"
        )


def _complete(registry: ModelRegistry, key: str, file: RevisionFile, part: Path, pause: Callable[[], None]) -> str:
    """Append what `part` lacks, at most a part more than the file has; return the digest of the whole."""
    failures = 0
    with part.open("a+b") as stream:
        stream.seek(0)
        digest, size = hashlib.file_digest(stream, "sha256"), stream.tell()
        while size < file.bytes:
            before = size
            try:
                for data in stream_object(registry.client, registry.bucket, key, first_byte=size):
                    stream.write(data)
                    digest.update(data)
                    size += len(data)
                    if size > file.bytes:
                        break
                else:
                    break  # the object ends here, also if it is too short
            except AccessDenied:
                raise
            except StoreUnavailable:
                stream.flush()
                failures = 0 if size > before else failures + 1
                if failures == ATTEMPTS:
                    raise
                pause()
    return digest.hexdigest()
