"""An address that nobody may ask: it answers like a web server, and remembers who came.

The corpus names this port with every spelling of a loopback host. A worker that followed one of them would connect, so
`requests` being empty says that none was followed; of addresses elsewhere it says nothing (see connections.py).
"""

import socket
import threading
from types import TracebackType
from typing import Self

LOOK_EVERY_S = 0.2
SPEAKS_WITHIN_S = 10.0


class ForbiddenListener:
    """Entered, it listens on a loopback port; `requests` are the first bytes of each connection."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(LOOK_EVERY_S)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @property
    def port(self) -> int:
        return int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        while not self._ended.is_set():
            try:
                connection, _ = self._server.accept()
            except TimeoutError:
                continue
            with connection:
                connection.settimeout(SPEAKS_WITHIN_S)
                try:
                    self.requests.append(connection.recv(200))
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                except OSError:
                    self.requests.append(b"")
