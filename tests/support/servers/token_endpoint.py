"""A token endpoint of OAuth for client credentials, whose tokens Kafka's validator for development accepts unsigned."""

import base64
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

CLIENT, SECRET, SCOPE = "zoomin-worker", "oauth/+secret", "kafka"


class TokenEndpoint:
    """`given`: the number of tokens that were given out; each ends after `lifetime_s`."""

    def __init__(self, *, lifetime_s: float = 3600) -> None:
        self.given = 0
        self._lifetime_s = lifetime_s
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._build_handler())
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/token"

    def build_settings(self, secret: str = SECRET) -> dict[str, str]:
        return {
            "sasl_mechanism": "OAUTHBEARER",
            "sasl_oauth_token_url": self.url,
            "sasl_oauth_client_id": CLIENT,
            "sasl_oauth_client_secret": secret,
            "sasl_oauth_scope": SCOPE,
        }

    def _answer(self, authorization: str, form: dict[str, list[str]]) -> tuple[int, dict[str, object]]:
        login = base64.b64encode(f"{CLIENT}:{SECRET.replace('/', '%2F').replace('+', '%2B')}".encode()).decode()
        if authorization != f"Basic {login}":
            return 401, {"error": "invalid_client", "error_description": "no such client or secret"}
        if form != {"grant_type": ["client_credentials"], "scope": [SCOPE]}:
            return 400, {"error": "invalid_request"}
        self.given += 1
        now = time.time()
        claims = {"sub": CLIENT, "scope": SCOPE, "iat": now - 1, "exp": now + self._lifetime_s}
        token = ".".join([_encode({"alg": "none"}), _encode(claims), ""])
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": self._lifetime_s}

    def _build_handler(endpoint) -> type[BaseHTTPRequestHandler]:  # noqa: N805 - `self` is the handler's
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                status, answer = endpoint._answer(self.headers.get("Authorization", ""), form)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_args: object) -> None:
                """Log nothing."""

        return Handler


def _encode(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")
