"""An HTTP server on loopback with the OpenAI chat protocol; a function of the request builds each answer."""

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
class ChatRequest:
    """The parts of a request on which answers depend."""

    text: str
    picture: Image.Image
    body: dict[str, Any]
    key: str


@dataclass(frozen=True)
class Reply:
    """An HTTP response; `held` keeps it back until the server ends, so that the client never gets it."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    held: bool = False


def build_answer(text: str | None, **fields: Any) -> Reply:
    """Build an answer of the protocol."""
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}
    whole = {"id": "c-1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice], "usage": usage}
    return Reply(json.dumps(whole | fields).encode())


def build_refusal(status: int) -> Reply:
    """Build an error that the client can retry at once."""
    return Reply(json.dumps({"error": {"message": "no"}}).encode(), status, {"retry-after-ms": "1"})


class OpenAiServer:
    """Keeps all `requests`; `most_at_once` is the largest number of requests open at the same time."""

    def __init__(self, answer: Callable[[ChatRequest], Reply]) -> None:
        self.answer = answer
        self.requests: list[ChatRequest] = []
        self.most_at_once = 0
        self._open = 0
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
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

    def _reply(self, body: dict[str, Any], key: str) -> Reply:
        picture, text = body["messages"][0]["content"]
        data = base64.b64decode(picture["image_url"]["url"].partition(",")[2])
        request = ChatRequest(text["text"], Image.open(io.BytesIO(data)).convert("RGB"), body, key)
        with self._lock:
            self.requests.append(request)
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            return self.answer(request)
        finally:
            with self._lock:
                self._open -= 1

    def _build_handler(self) -> type[BaseHTTPRequestHandler]:
        ours = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["Content-Length"]))
                reply = ours._reply(json.loads(data), self.headers["Authorization"].removeprefix("Bearer "))
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
                """Print nothing: the tests report failures."""

        return Handler
