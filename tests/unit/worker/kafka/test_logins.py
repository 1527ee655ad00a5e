import http.client
import io
import json
import urllib.error
import urllib.request
from email.message import Message

import boto3.session
import pytest
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from kafka.net.sasl.msk import SaslMechanismAwsMskIam

from pipeline.errors import BadSettings
from worker.common.sections import KafkaSettings
from worker.kafka.logins import ClientCredentials, LoginUnavailableError, build_login_options, check_login

OAUTH = KafkaSettings(
    security_protocol="SASL_SSL",
    sasl_mechanism="OAUTHBEARER",
    sasl_oauth_token_url="https://login.example/token",
    sasl_oauth_client_id="client",
    sasl_oauth_client_secret="secret-1",
)


class Endpoint:
    """Gives a new token at each call, or raises `error`."""

    def __init__(self, answer: dict[str, object] | None = None) -> None:
        self.requests: list[urllib.request.Request] = []
        self.error: Exception | None = None
        self._answer = answer

    def __call__(self, request: urllib.request.Request) -> bytes:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return json.dumps(self._answer or {"access_token": f"t{len(self.requests)}", "expires_in": 100}).encode()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_token_is_used_until_it_is_near_its_end() -> None:
    endpoint, clock = Endpoint(), Clock()
    provider = ClientCredentials(OAUTH, endpoint, clock=clock)
    tokens = []
    for clock.now in (0.0, 79.0, 80.0, 159.0, 160.0):  # type: ignore[misc]
        tokens.append(provider.token())
    assert tokens == ["t1", "t1", "t2", "t2", "t3"]


@pytest.mark.parametrize("error", [TimeoutError("away"), http.client.IncompleteRead(b"{"), ValueError("away")])
def test_an_endpoint_that_is_away_matters_only_when_the_token_has_ended(error: Exception) -> None:
    endpoint, clock = Endpoint(), Clock()
    provider = ClientCredentials(OAUTH, endpoint, clock=clock)
    provider.token()
    endpoint.error = error
    clock.now = 90.0
    assert provider.token() == "t1"
    clock.now = 100.0
    with pytest.raises(LoginUnavailableError, match=rf"TOKEN_URL .*{type(error).__name__}: "):
        provider.token()
    endpoint.error = None
    assert provider.token().startswith("t")


def test_a_refusal_is_told_in_the_words_of_the_endpoint() -> None:
    endpoint = Endpoint()
    body = io.BytesIO(b'{"error": "invalid_scope", "error_description": "ask for kafka"}')
    endpoint.error = urllib.error.HTTPError("https://login.example/token", 400, "Bad Request", Message(), body)
    with pytest.raises(LoginUnavailableError, match="400 invalid_scope ask for kafka") as refused:
        ClientCredentials(OAUTH, endpoint).token()
    assert "secret-1" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [{"expires_in": 5}, {"access_token": "a\x01b"}, {"access_token": 7}, {"access_token": "a", "expires_in": {}}],
)
def test_an_answer_without_a_usable_token_is_refused(answer: dict[str, object]) -> None:
    with pytest.raises(LoginUnavailableError, match="gives no token"):
        ClientCredentials(OAUTH, Endpoint(answer)).token()


def test_only_mechanisms_with_tokens_have_a_provider_and_equal_settings_share_it() -> None:
    assert build_login_options(KafkaSettings())["sasl_oauth_token_provider"] is None
    first, second = (build_login_options(OAUTH.model_copy())["sasl_oauth_token_provider"] for _ in range(2))
    assert first is second is not None


def test_kerberos_names_reach_the_client_and_a_missing_library_is_named() -> None:
    kerberos = KafkaSettings(
        security_protocol="SASL_SSL",
        sasl_mechanism="GSSAPI",
        sasl_kerberos_service_name="broker",
        sasl_kerberos_domain_name="example.com",
    )
    options = build_login_options(kerberos)
    assert [options[f"sasl_kerberos_{name}_name"] for name in ("service", "domain")] == ["broker", "example.com"]
    with pytest.raises(BadSettings, match="pip install gssapi"):
        check_login(kerberos)


AWS = KafkaSettings(security_protocol="SASL_SSL", sasl_mechanism="AWS_MSK_IAM")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), "no credentials of AWS .*AWS_ACCESS_KEY_ID"),
        (("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), "no region .*AWS_DEFAULT_REGION"),
        (("AWS_PROFILE",), "AWS_PROFILE"),
    ],
)
def test_what_an_aws_login_lacks_is_named(
    names: tuple[str, ...], problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in names:
        monkeypatch.setenv(name, "nobody")
    with pytest.raises(LoginUnavailableError, match=problem):
        check_login(AWS)


def test_a_refusal_of_a_role_is_a_failed_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_session: object) -> None:
        raise ClientError({"Error": {"Code": "Throttling"}}, "AssumeRoleWithWebIdentity")

    monkeypatch.setattr(boto3.session.Session, "get_credentials", refuse)
    with pytest.raises(LoginUnavailableError, match="Throttling"):
        check_login(AWS)


@pytest.mark.parametrize("token", [None, "session/token+"])
def test_an_aws_login_is_signed_as_botocore_signs_it(token: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret/key+")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    if token:
        monkeypatch.setenv("AWS_SESSION_TOKEN", token)
    check_login(AWS)
    host = "b-1.msk.example"
    login = json.loads(SaslMechanismAwsMskIam(host=host, security_protocol="SASL_SSL").auth_bytes())

    query = {"Action": "kafka-cluster:Connect"} | {
        name: login[name.lower()]
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Expires", "X-Amz-SignedHeaders")
    }
    if token:
        query["X-Amz-Security-Token"] = login["x-amz-security-token"]
        assert query["X-Amz-Security-Token"] == token
    request = AWSRequest("GET", f"https://{host}/", headers={"host": host}, params=query)
    request.context["timestamp"] = login["x-amz-date"]
    signer = SigV4QueryAuth(Credentials("AKIAEXAMPLE", "secret/key+", token), "kafka-cluster", "eu-central-1")
    canonical = signer.canonical_request(request)
    assert login["x-amz-signature"] == signer.signature(signer.string_to_sign(request, canonical), request)
