"""HTTP server of /livez, /readyz and /metrics, on a thread of its own, so that a stuck loop is seen from outside."""

import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from pipeline.errors import BadSettings

Check = Callable[[], str | None]
"""returns None when all is well, else the reason in one sentence"""


class HealthServer:
    """Serves while its context is entered; /metrics adds the default registry, where vLLM's own families are."""

    def __init__(self, host: str, port: int, *, live: Check, ready: Check, registry: CollectorRegistry) -> None:
        def answer(path: str) -> tuple[int, str, bytes]:
            if path == "/metrics":
                return 200, CONTENT_TYPE_LATEST, generate_latest(registry) + generate_latest(REGISTRY)
            check = {"/livez": live, "/readyz": ready}.get(path)
            if check is None:
                return 404, "text/plain", b"try /livez, /readyz or /metrics\n"
            problem = check()
            return (200, "text/plain", b"ok\n") if problem is None else (503, "text/plain", f"{problem}\n".encode())

        try:
            self._server = ThreadingHTTPServer((host, port), _request_handler(answer))
        except OSError as error:
            raise BadSettings(
                f"ZOOMIN_TELEMETRY__HTTP_PORT: cannot listen on {host}:{port} ({error.strerror}); 0 takes any free port"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


def _request_handler(answer: Callable[[str], tuple[int, str, bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 5  # seconds a client may take to send its request

        def do_GET(self) -> None:
            status, content_type, body = answer(self.path.partition("?")[0])
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Log nothing: probes come every few seconds."""

    return Handler
