"""Stands between a worker and a real S3, hands all through, and plays the illnesses that no S3 has on request."""

import http.client
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from urllib.parse import urlsplit

TRICKLE_S = 0.5
_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive"}

Refusal = tuple[int, str]
DENIED: Refusal = (403, "AccessDenied")
SICK: Refusal = (500, "InternalError")
BUSY: Refusal = (503, "SlowDown")
EXPIRED: Refusal = (403, "ExpiredToken")


@dataclass
class Front:
    """What happens to paths that begin with one of these: a refusal, never an answer, a byte now and then."""

    url: str
    refused: dict[str, Refusal] = field(default_factory=dict)
    stuck: set[str] = field(default_factory=set)
    trickling: set[str] = field(default_factory=set)
    closing: Event = field(default_factory=Event)

    def suffers(self, path: str, illness: set[str]) -> bool:
        return any(path.startswith(prefix) for prefix in illness)

    def refusal(self, path: str) -> Refusal | None:
        return next((refusal for prefix, refusal in self.refused.items() if path.startswith(prefix)), None)


@contextmanager
def store_front(endpoint_url: str) -> Iterator[Front]:
    """In front of the S3 at `endpoint_url`, whose signatures stay good: the host that was signed is handed through."""
    host = urlsplit(endpoint_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with suppress(ConnectionError):
                self._serve()

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def _serve(self) -> None:
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if front.suffers(self.path, front.stuck):
                front.closing.wait()
            elif refusal := front.refusal(self.path):
                status, code = refusal
                self._answer(status, f"<Error><Code>{code}</Code></Error>".encode())
            else:
                self._hand_through(sent)

        def _hand_through(self, sent: bytes) -> None:
            upstream = http.client.HTTPConnection(host, timeout=10)
            try:
                upstream.request(self.command, self.path, sent, dict(self.headers.items()))
                response = upstream.getresponse()
                headers = {k: v for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP}
                self._answer(response.status, response.read(), **headers)
            finally:
                upstream.close()

        def _answer(self, status: int, body: bytes, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "HEAD":
                return
            if front.suffers(self.path, front.trickling):
                for byte in body:
                    self.wfile.write(bytes([byte]))
                    front.closing.wait(TRICKLE_S)
            else:
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        front = Front(f"http://127.0.0.1:{server.server_port}")
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield front
        front.closing.set()
        server.shutdown()
