"""Search for the cases of images that have to be forgotten: every case is read, because keys do not name images."""

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from itertools import islice, takewhile
from typing import TYPE_CHECKING

from pipeline.errors import ImageMissing, ImageTooLarge
from pipeline.storage.buckets import list_objects
from pipeline.storage.objects import read_object
from pipeline.wire.labels import CASES

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

THREADS = 8
MAX_CASE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Selection:
    """Images to forget: those of these events, of these objects (bucket and key), and of these digests."""

    event_ids: frozenset[str] = frozenset()
    objects: frozenset[tuple[str, str]] = frozenset()
    sha256s: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FoundCases:
    """Case keys by the sha256 of each selected image; `unreadable` holds objects that may be cases of them.

    `searched` holds the keys of all objects that were listed.
    """

    by_image: dict[str, list[str]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    searched: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _CaseNames:
    key: str
    event_id: str
    place: tuple[str, str]
    sha256: str


BROKEN = _CaseNames("", "", ("", ""), "")


def find_cases(
    client: "S3Client",
    bucket: str,
    selection: Selection,
    *,
    until: date | None = None,
    besides: frozenset[str] = frozenset(),
) -> FoundCases:
    """Read the cases up to those of the day `until`, but not the keys `besides`, and return all of each selected image.

    Takes one request and about 300 bytes of memory a case. Fields that the search does not need may be broken.

    Raises: StoreDenied, AccessDenied, ImageMissing (no such bucket), StoreUnavailable.
    """
    keys_of_image: dict[str, list[str]] = {}
    selected = set(selection.sha256s)
    unreadable: list[str] = []
    searched: set[str] = set()
    keys = (key for key in _list_case_keys(client, bucket, until) if key not in besides)
    for key, names in _read_cases(client, bucket, keys):
        searched.add(key)
        if names is None:  # deleted since it was listed
            continue
        if names is BROKEN:
            unreadable.append(key)
            continue
        keys_of_image.setdefault(names.sha256, []).append(key)
        if names.event_id in selection.event_ids or names.place in selection.objects:
            selected.add(names.sha256)
    by_image = {sha256: keys_of_image.get(sha256, []) for sha256 in sorted(selected)}
    return FoundCases(by_image, unreadable, frozenset(searched))


def _list_case_keys(client: "S3Client", bucket: str, until: date | None) -> Iterator[str]:
    keys = (found.key for found in list_objects(client, bucket, CASES))
    if until is None:
        return keys
    last = f"{CASES}{until:%Y/%m/%d}/~"  # behind every id of that day
    return takewhile(lambda key: key <= last, keys)


def _read_cases(client: "S3Client", bucket: str, keys: Iterable[str]) -> Iterator[tuple[str, _CaseNames | None]]:
    """Yield each key with the names in its case, or BROKEN, or None if it is gone.

    Sends several requests at a time; a bounded number of results waits.
    """
    with ThreadPoolExecutor(THREADS, thread_name_prefix="case-search") as pool:
        waiting: list[tuple[str, Future[_CaseNames | None]]] = []
        submitted = ((key, pool.submit(_read_names, client, bucket, key)) for key in keys)
        try:
            waiting.extend(islice(submitted, 2 * THREADS))
            while waiting:
                key, reading = waiting.pop(0)
                yield key, reading.result()
                waiting.extend(islice(submitted, 1))
        finally:
            pool.shutdown(cancel_futures=True)


def _read_names(client: "S3Client", bucket: str, key: str) -> _CaseNames | None:
    try:
        case = json.loads(read_object(client, bucket, key, max_bytes=MAX_CASE_BYTES).body)
        image = case["image"]
        return _CaseNames(key, str(case["event_id"]), (str(image["bucket"]), str(image["key"])), str(image["sha256"]))
    except ImageMissing:
        return None
    except (ImageTooLarge, ValueError, TypeError, KeyError, RecursionError):
        return BROKEN
