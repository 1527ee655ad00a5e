"""Keys that are one another's encoding, on objects that exist: which of two is meant, and never the other for it."""

from collections.abc import Iterator, Mapping

from tests.hostile.entries import HostileEvent
from tests.hostile.records import told
from tests.support.builders import build_notification

STORED = ("both+here.png", "both here.png", "only+raw.png", "%C3%A4.png", "\N{LATIN SMALL LETTER A WITH DIAERESIS}.png")
"""keys of objects whose bytes all differ"""


def twin_events(bucket: str, etags: Mapping[str, str]) -> Iterator[HostileEvent]:
    raw, decoded, lonely, written, meant = STORED
    foreign = "0" * 32
    cases: list[tuple[str, str, str | None, str | tuple[tuple[str, str], ...]]] = [
        ("the etag is that of the raw key", raw, etags[raw], ((bucket, raw),)),
        ("the etag is that of the decoded key", raw, etags[decoded], ((bucket, decoded),)),
        ("without an etag the decoded key is meant", raw, None, ((bucket, decoded),)),
        ("without an etag the raw key does not stand in for a missing one", lonely, None, "image_missing"),
        ("the etag shows that the sender does not encode", lonely, etags[lonely], ((bucket, lonely),)),
        ("the etag of neither", raw, foreign, "image_changed"),
        ("the raw key's twin in another script", written, etags[written], ((bucket, written),)),
        ("the key as AWS writes it", written, etags[meant], ((bucket, meant),)),
    ]
    for number, (reason, key, etag, expected) in enumerate(cases):
        stored = {"eTag": etag} if etag else {}
        yield told(f"stored-twin-{number}", reason, build_notification((bucket, key), **stored), expected)
