"""An HTTP server on loopback that speaks the OpenAI chat protocol; what it answers is a function of the request."""

import base64
import io
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from PIL import Image

ENDING_S = 60  # longer than any client in these tests waits


@dataclass(frozen=True)
class Asked:
    """What a request says that answers depend on."""

    text: str
    picture: Image.Image
    body: dict[str, Any]
    key: str


@dataclass(frozen=True)
class Reply:
    """`held` keeps the answer back until the server ends: for the client it never comes."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held: bool = False


def spoken(text: str | None, **fields: Any) -> Reply:
    """An answer as the protocol has it."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    whole = {"id": "c-1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return Reply(json.dumps(whole | fields).encode())


def refused(status: int) -> Reply:
    """An error that the client may try again at once."""
    return Reply(json.dumps({"error": {"message": "no"}}).encode(), status, {"retry-after-ms": "1"})


class OpenAiServer:
    """`asked` is everything that was asked so far; `most_at_once` the most requests that were open together."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.most_at_once = 0
        self._open = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ending.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(ENDING_S)

    def _replied(self, body: dict[str, Any], key: str) -> Reply:
        picture, text = body["messages"][0]["content"]
        data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
        asked = Asked(text["text"], Image.open(io.BytesIO(data)).convert("RGB"), body, key)
        with self._lock:
            self.asked.append(asked)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            return self.answer(asked)
        finally:
            with self._lock:
                self._open -= 1

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                reply = ours._replied(json.loads(data), self.headers["Authorization"].removeprefix("Bearer "))
                if reply.held:
                    ours._ending.wait(ENDING_S)
                    self.close_connection = True
                    return
                self.send_response(reply.status)
                for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def log_message(self, *_: object) -> None:
                """Tests say themselves what went wrong."""

        return Handler
