"""ImageStore against an S3 that answers badly: a real HTTP server with a script."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import ClassVar

import pytest

from pipeline.errors import (
    AccessDenied,
    ImageArchived,
    ImageChanged,
    ImageMissing,
    ImageTooLarge,
    StoreDenied,
    StoreUnavailable,
    ZoomInError,
)
from pipeline.wire.events import ImageRef
from worker.common.sections import StoreSettings
from worker.storage.image_store import ImageStore

IMAGE = ImageRef("photos", "a.jpg")


class Scripted(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    script: ClassVar[Callable[["Scripted"], None]]
    asked: ClassVar[list[str]]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        with suppress(ConnectionError):
            type(self).script(self)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "ETag": '"e"', **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def refusing(status: int, code: str) -> Callable[[Scripted], None]:
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>?secret</Message></Error>".encode()
    return lambda request: request.answer(status, body if code else b"", Content_Type="application/xml")


@contextmanager
def serving(script: Callable[[Scripted], None], **limits: float) -> Iterator[tuple[ImageStore, list[str]]]:
    handler = type("Handler", (Scripted,), {"script": staticmethod(script), "asked": []})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        url = f"http://127.0.0.1:{server.server_port}"
        store = ImageStore(StoreSettings(endpoint_url=url, **limits))  # type: ignore[arg-type]
        yield store, handler.asked
        store.close()
        server.shutdown()


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (403, "AccessDenied", AccessDenied),
        (403, "", AccessDenied),
        (403, "InvalidObjectState", ImageArchived),
        (403, "InvalidAccessKeyId", StoreUnavailable),
        (403, "SignatureDoesNotMatch", StoreUnavailable),
        (400, "ExpiredToken", StoreUnavailable),
        (404, "NoSuchKey", ImageMissing),
        (404, "", ImageMissing),
        (405, "MethodNotAllowed", ImageMissing),
        (412, "PreconditionFailed", ImageChanged),
        (500, "InternalError", StoreUnavailable),
        (503, "SlowDown", StoreUnavailable),
        (502, "", StoreUnavailable),
        (429, "TooManyRequests", StoreUnavailable),
        (418, "Teapot", StoreUnavailable),
    ],
)
async def test_each_refusal_has_its_error(status: int, code: str, error: type[ZoomInError]) -> None:
    with serving(refusing(status, code)) as (store, _), pytest.raises(ZoomInError) as caught:
        await store.fetch(IMAGE)
    assert type(caught.value) is error
    assert "secret" not in caught.value.detail


async def test_what_is_broken_for_all_ends_a_start_only_if_it_is_our_credentials() -> None:
    for status, code in ((403, "InvalidAccessKeyId"), (403, "SignatureDoesNotMatch"), (400, "ExpiredToken")):
        with serving(refusing(status, code)) as (store, _), pytest.raises(StoreDenied, match=code):
            await store.check("photos")
    for status, code in ((403, "AccessDenied"), (503, "SlowDown"), (404, "NoSuchBucket")):
        with serving(refusing(status, code)) as (store, _):
            assert await store.check("photos")


async def test_a_refused_probe_serves_nobody() -> None:
    with serving(refusing(403, "")) as (store, _), pytest.raises(AccessDenied):
        await store.probe("photos")


async def test_an_address_where_nobody_listens() -> None:
    store = ImageStore(StoreSettings(endpoint_url="http://127.0.0.1:9"))
    with pytest.raises(StoreUnavailable):
        await store.fetch(ImageRef("photos", "a.jpg", version_id="v?1"))
    assert "does not answer" in (await store.check("photos") or "")
    store.close()


async def test_an_s3_that_ignores_if_match_is_not_believed() -> None:
    with serving(lambda request: request.answer(200, b"other")) as (store, _), pytest.raises(ImageChanged):
        await store.fetch(ImageRef("photos", "a.jpg", "wanted"))


async def test_a_denied_twin_does_not_hide_the_one_that_is_meant() -> None:
    def script(request: Scripted) -> None:
        if "%2B" in request.path:
            request.answer(200, b"raw")
        else:
            refusing(403, "AccessDenied")(request)

    with serving(script) as (store, asked):
        fetched = await store.fetch(ImageRef("photos", "a b.jpg", "e", other_key="a+b.jpg"))
    assert (fetched.key, fetched.data) == ("a+b.jpg", b"raw")
    assert len(asked) == 2


async def test_an_announced_size_is_believed_before_a_byte_is_read() -> None:
    def script(request: Scripted) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(10**12))
        request.end_headers()

    with serving(script) as (store, _), pytest.raises(ImageTooLarge, match="1000000000000 bytes"):
        await store.fetch(IMAGE)


async def test_an_unannounced_size_is_counted() -> None:
    def script(request: Scripted) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        while True:
            request.wfile.write(b"400\r\n" + b"x" * 1024 + b"\r\n")

    with serving(script, max_image_bytes=100_000) as (store, _), pytest.raises(ImageTooLarge):
        await store.fetch(IMAGE)


async def test_a_body_that_ends_early() -> None:
    def script(request: Scripted) -> None:
        request.answer(200, b"short", Content_Length="500")
        request.close_connection = True

    with serving(script) as (store, _), pytest.raises(StoreUnavailable):
        await store.fetch(IMAGE)


def trickle(request: Scripted, over: Event) -> None:
    request.send_response(200)
    request.send_header("Content-Length", "100000")
    request.end_headers()
    for _ in range(300):
        if over.wait(0.05):
            return
        request.wfile.write(b"x")


def silence(_: Scripted, over: Event) -> None:
    over.wait(15)


@pytest.mark.parametrize("script", [trickle, silence])
async def test_the_deadline_holds(script: Callable[[Scripted, Event], None]) -> None:
    over = Event()
    with serving(lambda request: script(request, over), total_timeout_s=0.5) as (store, _):
        began = time.monotonic()
        results = await asyncio.gather(*(store.fetch(IMAGE) for _ in range(3)), return_exceptions=True)
        took_s = time.monotonic() - began
        over.set()
    assert took_s < 10, "it ended before the server did"
    assert {type(result) for result in results} == {StoreUnavailable}


async def test_a_connection_that_died_idle_costs_nothing() -> None:
    def script(request: Scripted) -> None:
        request.answer(200, b"hello")
        request.close_connection = True  # without saying so

    with serving(script) as (store, _):
        for _ in range(5):
            assert (await store.fetch(IMAGE)).data == b"hello"
