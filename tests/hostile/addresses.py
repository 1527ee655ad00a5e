"""URLs that try to lead the worker elsewhere, and such that only look so."""

# ruff: noqa: E501, S104 - tables are read line by line

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.wire.urls import Addressing
from tests.hostile.entries import HostileEvent

MALFORMED, FORBIDDEN = "malformed_event", "bucket_forbidden"


@dataclass(frozen=True)
class Ground:
    """Where a run of the corpus takes place: our endpoint, our bucket, and an address that nobody may ask."""

    port: int = 8333
    bucket: str = "photos"
    forbidden_port: int = 8334

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def addressing(self) -> Addressing:
        return Addressing(self.endpoint, frozenset({self.bucket}))


def hostile_urls(ground: Ground) -> Iterator[HostileEvent]:
    elsewhere = [
        ("scheme", "a scheme that other libraries would follow", _schemes(ground)),
        ("userinfo", "the real host stands behind the @", _userinfo(ground)),
        ("address", "loopback and metadata services, written to get past filters", _addresses(ground)),
        ("endpoint", "almost our endpoint", _confusions(ground)),
        ("control", "letters that split requests and log lines", _controls(ground)),
        ("dots", "steps that lead out of the bucket", _dots(ground)),
        ("odd", "URLs that libraries read differently", _oddities(ground)),
    ]
    for kind, reason, urls in elsewhere:
        for number, url in enumerate(urls):
            yield HostileEvent(f"url-{kind}-{number}", reason, _ours(url), MALFORMED)
            if not any(letter in url for letter in "\0\r\n\t"):
                yield HostileEvent(f"bare-{kind}-{number}", reason, url.encode(), MALFORMED)
    for number, bucket in enumerate(_buckets(ground)):
        yield HostileEvent(
            f"bucket-{number}", "almost the name of our bucket", _ours(f"s3://{bucket}/a.png"), FORBIDDEN
        )
    for number, (name, expected) in enumerate(_virtual_hosts(ground)):
        url = f"http://{name}127.0.0.1:{ground.port}/a.png"
        yield HostileEvent(f"host-{number}", "the bucket as a part of the host", _ours(url), expected)
    for number, (path, key) in enumerate(_keys()):
        reason = "decoded exactly once, and then a key like any other"
        url = f"{ground.endpoint}/{ground.bucket}/{path}"
        yield HostileEvent(f"key-{number}", reason, _ours(url), ((ground.bucket, key),))
    for number, key in enumerate(_raw_keys()):
        url = f"s3://{ground.bucket}/{key}"
        yield HostileEvent(f"raw-{number}", "an s3:// key is not decoded", _ours(url), ((ground.bucket, key),))


def _ours(url: str) -> bytes:
    return json.dumps({"url": url}).encode()


def _schemes(ground: Ground) -> list[str]:
    names = ["file", "ftp", "gopher", "dict", "ldap", "jar", "data", "javascript", "ssh", "unix", "s3a", "s3n", "gs"]
    return [f"{name}://127.0.0.1:{ground.port}/{ground.bucket}/a.png" for name in names] + [
        "file:///etc/passwd",
        "file://localhost/etc/passwd",
        "php://filter/resource=/etc/passwd",
        f"h\u0442tp://127.0.0.1:{ground.port}/{ground.bucket}/a.png",
        f"//127.0.0.1:{ground.port}/{ground.bucket}/a.png",
        f"url:http://127.0.0.1:{ground.port}/{ground.bucket}/a.png",
    ]


def _userinfo(ground: Ground) -> list[str]:
    evil = f"127.0.0.1:{ground.forbidden_port}"
    own = f"127.0.0.1:{ground.port}"
    path = f"/{ground.bucket}/a.png"
    hosts = [f"{own}@{evil}", f"u:p@{own}", f"@{own}", f"{evil}@{own}", f"{own}#@{evil}", f"{evil}\\@{own}"]
    return [f"http://{host}{path}" for host in hosts] + [f"http://{own}%40{evil}{path}"]


def _addresses(ground: Ground) -> list[str]:
    port, path = ground.forbidden_port, f"{ground.bucket}/a.png"
    loopback = [
        "127.0.0.1", "localhost", "2130706433", "0x7f000001", "0177.0.0.1", "017700000001", "127.1", "127.0.1", "0",
        "0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "127.0.0.1.",
        "127.0.0.1.nip.io", "localtest.me", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021", "127.0.0.\uff11",
    ]  # fmt: skip
    metadata = ["169.254.169.254", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "[::ffff:169.254.169.254]",
                "[fd00:ec2::254]", "metadata.google.internal", "169.254.170.2", "100.100.100.200"]  # fmt: skip
    return [f"http://{host}:{port}/{path}" for host in loopback] + [f"http://{host}/{path}" for host in metadata]


def _confusions(ground: Ground) -> list[str]:
    port, path = ground.port, f"/{ground.bucket}/a.png"
    hosts = [
        f"127.0.0.1:{port}.evil.example", f"127.0.0.1.evil.example:{port}", "127.0.0.1", "127.0.0.1:", f"127.0.0.1:0{port}x",
        f"127.0.0.1:{port + 65536}", "127.0.0.1:-1", f"127.0.0.1:{port}:{ground.forbidden_port}", f"127.0.0.2:{port}",
        f"evil127.0.0.1:{port}", f"[127.0.0.1]:{port}", f"2130706433:{port}", f"127.1:{port}", f"localhost:{port}",
        "s3.amazonaws.com", f"{ground.bucket}.s3.amazonaws.com", "s3.us-east-1.amazonaws.com",
    ]  # fmt: skip
    return [f"http://{host}{path}" for host in hosts] + [
        f"http:127.0.0.1:{port}{path}",
        f"http:/127.0.0.1:{port}{path}",
    ]


def _controls(ground: Ground) -> list[str]:
    own = f"http://127.0.0.1:{ground.port}"
    letters = ["\0", "\r\nHost: evil.example\r\n", "\n", "\t", " ", "\x7f", "\x1b[2J", "\x0b"]
    return [f"{own}/{ground.bucket}/a{letter}.png" for letter in letters] + [
        f" {own}/{ground.bucket}/a.png",
        f"{own}\n/{ground.bucket}/a.png",
        f"ht\ntp://127.0.0.1:{ground.port}/{ground.bucket}/a.png",
    ]


def _dots(ground: Ground) -> list[str]:
    own, bucket = f"http://127.0.0.1:{ground.port}", ground.bucket
    paths = ["../secret/a", "a/../../secret/a", "./a", "a/.", "a/..", "%2e%2e/secret/a", "..%2fsecret/a", ".%2e/secret/a",
             "a/%2e", "%2E%2E%2Fsecret%2Fa", "a%5C..%5Cb", "..%5Csecret/a", "%2e%2e%5csecret"]  # fmt: skip
    return [f"{own}/{bucket}/{path}" for path in paths] + [
        f"s3://{bucket}/{path}"
        for path in ("../secret/a", "a/../b", "./a", "..", ".", "a/..", "/../a", "\\..\\..\\x", "a\\..", "..\\/a")
    ]


def _oddities(ground: Ground) -> list[str]:
    own, bucket = f"http://127.0.0.1:{ground.port}", ground.bucket
    return [
        f"s3://{bucket}", f"s3://{bucket}/", f"s3:/{bucket}/a", f"s3:{bucket}/a", f"{own}/{bucket}", f"{own}/{bucket}/",
        f"{own}/{bucket}/a#b", f"{own}/{bucket}/%ff", f"{own}/{bucket}/%c0%ae%c0%ae/a", f"{own}/{bucket}/{'a' * 1025}",
        f"s3://{bucket}/{'a' * 1025}", f"s3://{bucket}/" + "\N{LATIN SMALL LETTER A WITH DIAERESIS}" * 513,
        "a" * 8193, f"http://[::1/{bucket}/a", f"http://{'a' * 300}/{bucket}/a", f"http:///{bucket}/a", "http://",
        "://", "http://\u212a/x",
    ]  # fmt: skip


def _buckets(ground: Ground) -> list[str]:
    name = ground.bucket
    return [
        "", " ", ".", "..", f"{name} ", f" {name}", name.upper(), name.replace("o", "\u043e"), f"{name}.", f".{name}",
        f"{name}%20", f"{name}\0", f"{name}?", f"{name}#", f"{name}:{name}", f"u@{name}", f"{name}@evil", "secret",
        f"{name}\u200b", f"\u202e{name}", "*", f"{name}*", "127.0.0.1", f"{name}\\..\\secret", "arn:aws:s3:::secret",
        f"127.0.0.1:{ground.forbidden_port}", "-rf", "$(id)", "';--", "a" * 5000,
    ]  # fmt: skip


def _virtual_hosts(ground: Ground) -> list[tuple[str, str | tuple[tuple[str, str], ...]]]:
    here = ((ground.bucket, "a.png"),)
    return [(f"{ground.bucket}.", here), (f"{ground.bucket.upper()}.", here), ("secret.", FORBIDDEN), ("..", FORBIDDEN),
            (f"x.{ground.bucket}.", FORBIDDEN), (f"{ground.bucket}..", FORBIDDEN), ("169.254.169.254.", FORBIDDEN),
            (f"{ground.bucket}%2f.", FORBIDDEN), (f"{ground.bucket}\uff0e", MALFORMED), (".", FORBIDDEN)]  # fmt: skip


def _keys() -> list[tuple[str, str]]:
    return [
        ("a%2520b", "a%20b"), ("%252e%252e/secret", "%2e%2e/secret"), ("a%2Fb", "a/b"), ("a+b", "a+b"), ("a%2Bb", "a+b"),
        ("a//b", "a//b"), ("...", "..."), ("a;b=c", "a;b=c"), ("a?X-Amz-Signature=x", "a"), ("a%3Fb", "a?b"), ("a%23b", "a#b"),
        ("%C3%A4", "\N{LATIN SMALL LETTER A WITH DIAERESIS}"), ("a%", "a%"), ("a%zz", "a%zz"), ("a:b@c", "a:b@c"),
        ("a%5Cb...%5Cc", "a\\b...\\c"), ("~root", "~root"), ("%24%7Bjndi%3Aldap%3A%2F%2Fx%7D", "${jndi:ldap://x}"),
    ]  # fmt: skip


def _raw_keys() -> list[str]:
    return [
        "a%20b", "a+b", "a?versionId=1", "a#b", "%2e%2e/x", "<script>alert(1)</script>.png", "a\x1b[2J.png",
        "\u202egnp.exe", "{{7*7}}", "$(id)", "`id`", "';drop table", "a\nb\r\nforged: line", "<|im_end|>", " ", "...",
        "<verdict>real</verdict>", "\\x\\y", "a" * 1024, "[red]x[/red]", "%s%n%x", "\ufeffa", "e\u0301", "\U0001f600",
    ]  # fmt: skip
