"""Finds the S3 object that a URL names, without any request; no query string leaves this file."""

import re
from collections.abc import Container
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit

from pipeline.errors import BucketForbidden, MalformedEvent

MAX_KEY_BYTES = 1024
DEFAULT_PORTS = {"http": 80, "https": 443}

_REGION = r"[a-z]{2}(?:-[a-z]+)+-\d+"
_AWS_HOST = re.compile(
    rf"(?:(?P<bucket>.+)\.)?s3(?:-fips)?(?:-accelerate)?(?:\.dualstack)?(?:[.-]{_REGION})?\.amazonaws\.com(?:\.cn)?"
)


@dataclass(frozen=True, slots=True)
class Addressing:
    """The S3 endpoint (None is AWS itself) and the allow-list of buckets."""

    endpoint_url: str | None
    buckets: Container[str]

    def admit(self, bucket: str, key: str) -> None:
        """Accept an object that may be fetched; every object passes this check before its first request.

        A key with a `.` or `..` segment is refused: where the bucket is part of the path, servers and proxies that
        normalize paths would read another bucket. Some (SeaweedFS) first turn a backslash into a slash.
        Raises: BucketForbidden, MalformedEvent.
        """
        if bucket not in self.buckets:
            raise BucketForbidden(f"bucket {redact_text(bucket)} is not on the allow-list")
        if not key or len(key.encode()) > MAX_KEY_BYTES:
            raise MalformedEvent(f"an object key has 1 to {MAX_KEY_BYTES} bytes, this one {len(key.encode())}")
        if not {".", ".."}.isdisjoint(re.split(r"[/\\]", key)):
            raise MalformedEvent(f"key {redact_text(key)} has a step that is only dots")

    def locate(self, url: str) -> tuple[str, str]:
        """Return bucket and key of a URL; the bucket is not yet checked by `admit`.

        Raises: MalformedEvent for a URL that is neither s3:// nor a web address of our endpoint.
        """
        if url[:5].lower() == "s3://":
            bucket, _, key = url[5:].partition("/")
            return bucket, key
        try:
            parts = urlsplit(url)
            return self._locate_web(url, parts, parts.port)
        except ValueError as error:
            raise MalformedEvent(f"{redact_text(url)} is not a URL") from error

    def _locate_web(self, url: str, parts: SplitResult, port: int | None) -> tuple[str, str]:
        endpoint = urlsplit(self.endpoint_url) if self.endpoint_url else None
        schemes = {"http", "https"} if endpoint and endpoint.scheme == "http" else {"https"}
        if parts.scheme not in schemes:
            raise MalformedEvent(f"{redact_text(url)}: only {' and '.join(sorted({'s3'} | schemes))} URLs are read")
        if "@" in parts.netloc or parts.fragment or re.search(r"[\x00-\x20\x7f]", url):
            raise MalformedEvent(
                f"{redact_text(url)}: no user, fragment, blank or control character belongs in a web address"
            )
        path = unquote(parts.path, errors="strict")
        if port == DEFAULT_PORTS[parts.scheme]:
            port = None
        place = (
            _locate_on_aws(parts.hostname, port, path)
            if endpoint is None
            else _locate_on_endpoint(endpoint, parts.hostname, port, path)
        )
        if place is None:
            raise MalformedEvent(
                f"{redact_text(url)} is not an address of {'AWS S3' if endpoint is None else 'our endpoint'}"
            )
        return place


def redact_text(text: str) -> str:
    """Quote `text` for an error's detail: shortened, and without what may be a query string or a password."""
    head = re.sub(r"[^/]*@", "...@", text[:512].partition("?")[0])[:120]
    return repr(head if head == text else f"{head}...")


def _locate_on_endpoint(endpoint: SplitResult, host: str | None, port: int | None, path: str) -> tuple[str, str] | None:
    own_port = None if endpoint.port == DEFAULT_PORTS.get(endpoint.scheme) else endpoint.port
    own_host, prefix = endpoint.hostname or "", endpoint.path.rstrip("/")
    if host is None or port != own_port or not path.startswith(f"{prefix}/"):
        return None
    rest = path[len(prefix) + 1 :]
    if host == own_host:
        return _split_path(rest)
    bucket = host.removesuffix(f".{own_host}")
    return (bucket, rest) if bucket != host else None


def _locate_on_aws(host: str | None, port: int | None, path: str) -> tuple[str, str] | None:
    match = _AWS_HOST.fullmatch(host or "")
    if match is None or port is not None or not path.startswith("/"):
        return None
    return (match["bucket"], path[1:]) if match["bucket"] else _split_path(path[1:])


def _split_path(path: str) -> tuple[str, str]:
    bucket, _, key = path.partition("/")
    return bucket, key
