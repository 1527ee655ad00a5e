"""Logins of SASL: options of the client, tokens for OAUTHBEARER, and what can be checked before a broker is asked.

A login that fails here raises LoginUnavailableError, a KafkaError: at the start it ends the worker with its sentence;
later the client tries again.
"""

import base64
import http.client
import importlib.util
import json
import re
import ssl
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from kafka.errors import KafkaError
from kafka.net.sasl.oauth import AbstractTokenProvider

from pipeline.errors import BadSettings
from pipeline.storage.credentials import check_aws_login
from worker.common.sections import KafkaSettings

LOOK_AT = {
    None: "ZOOMIN_KAFKA__SASL_MECHANISM",
    "PLAIN": "ZOOMIN_KAFKA__SASL_USERNAME and ZOOMIN_KAFKA__SASL_PASSWORD",
    "SCRAM-SHA-256": "ZOOMIN_KAFKA__SASL_USERNAME and ZOOMIN_KAFKA__SASL_PASSWORD",
    "SCRAM-SHA-512": "ZOOMIN_KAFKA__SASL_USERNAME and ZOOMIN_KAFKA__SASL_PASSWORD",
    "OAUTHBEARER": "the ZOOMIN_KAFKA__SASL_OAUTH_* and what the broker expects of a token",
    "AWS_MSK_IAM": "the AWS_* and the policy of this identity",
    "GSSAPI": "the Kerberos ticket and ZOOMIN_KAFKA__SASL_KERBEROS_SERVICE_NAME",
}
"""what to look at when the broker refuses a login"""
TOKEN_TIMEOUT_S = 5.0
"""for each step of fetching a token: it runs on the client's own thread, between two heartbeats"""
USED_FRACTION = 0.8
"""of a token's lifetime, after which it is replaced"""
_MOST_ANSWER_BYTES = 1 << 20
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]+")

Post = Callable[[urllib.request.Request], bytes]


class LoginUnavailableError(KafkaError):  # type: ignore[misc]  # the client has no types
    """Nothing to log in with can be had now."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: object) -> None:
        """Follow nothing: the secret is for the address in the settings."""


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # the client has no types
    """Fetches tokens by OAuth's client credentials; safe for the threads of several clients. Source: RFC 6749, 4.4."""

    def __init__(self, settings: KafkaSettings, post: Post, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._request = _build_token_request(settings)
        self._post = post
        self._clock = clock
        self._lock = threading.Lock()
        self._token = ""
        self._replace_at = self._ends_at = clock()

    def token(self) -> str:
        """Return a token that is valid now.

        Raises: LoginUnavailableError if none can be fetched and the present one has ended.
        """
        with self._lock:
            if self._clock() >= self._replace_at:
                try:
                    self._fetch()
                except LoginUnavailableError:
                    if self._clock() >= self._ends_at:
                        raise
            return self._token

    def _fetch(self) -> None:
        asked_at = self._clock()
        try:
            answer = json.loads(self._post(self._request))
            token, lifetime_s = answer["access_token"], float(answer.get("expires_in", 0))
            if not _TOKEN.fullmatch(token):
                raise ValueError("access_token holds other characters than a token may")
        except urllib.error.HTTPError as error:
            raise _build_token_error(self._request, f"{error.code} {_read_refusal(error)}") from error
        except (http.client.HTTPException, OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise _build_token_error(self._request, f"{type(error).__name__}: {error}") from error
        self._token = token
        self._replace_at, self._ends_at = asked_at + USED_FRACTION * lifetime_s, asked_at + lifetime_s


@lru_cache(maxsize=4)
def find_token_provider(settings: KafkaSettings) -> ClientCredentials:
    """Return the one provider of these settings: all clients share its token."""
    context = ssl.create_default_context()
    if settings.ssl_cafile is not None:
        context.load_verify_locations(settings.ssl_cafile)
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=context))

    def post(request: urllib.request.Request) -> bytes:
        with opener.open(request, timeout=TOKEN_TIMEOUT_S) as answer:
            content: bytes = answer.read(_MOST_ANSWER_BYTES)
        return content

    return ClientCredentials(settings, post)


def build_login_options(settings: KafkaSettings) -> dict[str, object]:
    """Build the options of every client that log it in."""
    password = settings.sasl_password
    provider = find_token_provider(settings) if settings.sasl_mechanism == "OAUTHBEARER" else None
    return {
        "security_protocol": settings.security_protocol,
        "sasl_mechanism": settings.sasl_mechanism,
        "sasl_plain_username": settings.sasl_username,
        "sasl_plain_password": None if password is None else password.get_secret_value(),
        "sasl_oauth_token_provider": provider,
        "sasl_kerberos_service_name": settings.sasl_kerberos_service_name,
        "sasl_kerberos_domain_name": settings.sasl_kerberos_domain_name,
        "ssl_cafile": _format_path(settings.ssl_cafile),
        "ssl_certfile": _format_path(settings.ssl_certfile),
        "ssl_keyfile": _format_path(settings.ssl_keyfile),
    }


def check_login(settings: KafkaSettings) -> None:
    """Check what a login needs besides the broker: a token, credentials of AWS, the library of Kerberos.

    Raises: LoginUnavailableError; BadSettings without that library.
    """
    if not settings.security_protocol.startswith("SASL"):
        return
    if settings.sasl_mechanism == "OAUTHBEARER":
        find_token_provider(settings).token()
    elif settings.sasl_mechanism == "AWS_MSK_IAM":
        try:
            check_aws_login()
        except BadSettings as error:
            raise LoginUnavailableError(error.detail) from error
    elif settings.sasl_mechanism == "GSSAPI" and importlib.util.find_spec("gssapi") is None:
        raise BadSettings(
            "ZOOMIN_KAFKA__SASL_MECHANISM=GSSAPI needs the package gssapi, which needs the Kerberos libraries of the "
            "system: pip install gssapi"
        )


def _build_token_request(settings: KafkaSettings) -> urllib.request.Request:
    url, client = settings.sasl_oauth_token_url, settings.sasl_oauth_client_id
    secret = settings.sasl_oauth_client_secret
    if url is None or client is None or secret is None:
        raise BadSettings("OAUTHBEARER needs the fields of ZOOMIN_KAFKA__SASL_OAUTH_*")
    form = {"grant_type": "client_credentials"}
    if settings.sasl_oauth_scope:
        form["scope"] = settings.sasl_oauth_scope
    # Both parts are form-encoded before they are joined (RFC 6749, 2.3.1).
    login = f"{urllib.parse.quote_plus(client)}:{urllib.parse.quote_plus(secret.get_secret_value())}"
    return urllib.request.Request(  # noqa: S310 - the settings take http and https alone
        url,
        data=urllib.parse.urlencode(form).encode(),
        headers={"Authorization": f"Basic {base64.b64encode(login.encode()).decode()}", "Accept": "application/json"},
    )


def _build_token_error(request: urllib.request.Request, reason: str) -> LoginUnavailableError:
    return LoginUnavailableError(
        f"ZOOMIN_KAFKA__SASL_OAUTH_TOKEN_URL ({request.full_url}) gives no token, check it, "
        f"ZOOMIN_KAFKA__SASL_OAUTH_CLIENT_ID, _CLIENT_SECRET and _SCOPE: {reason[:300]}"
    )


def _read_refusal(error: urllib.error.HTTPError) -> str:
    """Return OAuth's own words for a refusal, if the answer has them."""
    with error:
        try:
            answer = json.loads(error.read(_MOST_ANSWER_BYTES))
            return f"{answer['error']} {answer.get('error_description', '')}".strip()
        except (http.client.HTTPException, OSError, ValueError, TypeError, KeyError, AttributeError):
            return str(error.reason)


def _format_path(path: Path | None) -> str | None:
    return None if path is None else str(path)
