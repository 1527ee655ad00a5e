"""The parts of the client that the contract suite does not reach: logins that expire, and odd answers."""

import httpx
import pytest

from pipeline.errors import BadSettings, ZoomInError
from tests.support import fake_label_studio
from tests.support.fake_label_studio import FakeLabelStudio
from training.errors import LabelStudioRefusal, LabelStudioUnavailable
from training.label_studio import client as client_module
from training.label_studio.client import LabelStudio

REFRESH = "POST /api/token/refresh"


def open_client(handle: httpx.MockTransport, token: str = fake_label_studio.TOKEN) -> LabelStudio:
    return LabelStudio(fake_label_studio.URL, token, timeout_s=5, transport=handle)


def test_a_personal_token_is_exchanged_once_and_again_when_it_is_refused() -> None:
    server = FakeLabelStudio()
    with open_client(server.transport, fake_label_studio.PERSONAL_TOKEN) as client:
        for _ in range(3):
            client.find_projects("ZoomIn")
        assert server.requests.count(REFRESH) == 1
        server.expire_access()
        client.find_projects("ZoomIn")
        assert server.requests.count(REFRESH) == 2


def test_an_access_token_is_exchanged_before_it_runs_out(monkeypatch: pytest.MonkeyPatch) -> None:
    server = FakeLabelStudio()
    monkeypatch.setattr(client_module, "ACCESS_LASTS_S", 0.0)
    with open_client(server.transport, fake_label_studio.PERSONAL_TOKEN) as client:
        for _ in range(2):
            client.find_projects("ZoomIn")
    assert server.requests.count(REFRESH) == 2


def test_a_legacy_token_is_known_by_its_shape() -> None:
    server = FakeLabelStudio()
    with open_client(server.transport) as client:
        client.find_projects("ZoomIn")
    assert REFRESH not in server.requests


@pytest.mark.parametrize(
    ("response", "error", "text"),
    [
        (httpx.Response(401, text="no"), BadSettings, "refuses the token (401)"),
        (httpx.Response(302, headers={"location": "https://sso"}), BadSettings, "redirects requests (302)"),
        (httpx.Response(503, text="busy"), LabelStudioUnavailable, "cannot serve now (503"),
        (httpx.Response(200, text="<html>login</html>"), LabelStudioUnavailable, "as Label Studio does not"),
        (httpx.Response(200, json={"results": [{"id": "x"}]}), LabelStudioUnavailable, "as Label Studio does not"),
        (httpx.Response(400, json={"detail": "no"}), LabelStudioRefusal, "refuses /api/projects/ (400): no"),
        (httpx.Response(413), LabelStudioRefusal, "(413): Request Entity Too Large"),
        (
            httpx.Response(400, json={"detail": "x", "validation_errors": {"title": ["y" * 999]}}),
            LabelStudioRefusal,
            'refuses /api/projects/ (400): {"title": ["yyy',
        ),
    ],
)
def test_odd_answers_are_one_sentence(response: httpx.Response, error: type[ZoomInError], text: str) -> None:
    with (
        open_client(httpx.MockTransport(lambda _: response)) as client,
        pytest.raises(error) as raised,
    ):
        client.find_projects("ZoomIn")
    assert text in raised.value.detail
    assert len(raised.value.detail) < 500


@pytest.mark.parametrize(
    "url", ["", "label-studio", "ftp://host", "https://", "https://user:secret@host", "http://host:port", "http://[::1"]
)
def test_what_is_no_address_is_refused_before_a_request_and_quotes_no_login(url: str) -> None:
    with pytest.raises(BadSettings, match="ZOOMIN_TRAIN_LABELS_URL") as raised:
        LabelStudio(url, fake_label_studio.TOKEN, timeout_s=5)
    assert "secret" not in raised.value.detail


@pytest.mark.parametrize("status", [404, 408, 429])
def test_what_says_nothing_against_the_request_is_tried_again_later(status: int) -> None:
    with (
        open_client(httpx.MockTransport(lambda _: httpx.Response(status))) as client,
        pytest.raises(LabelStudioUnavailable, match=str(status)),
    ):
        client.import_tasks(1, [])


@pytest.mark.parametrize("ids", [[1, 2], [3, 2]])
def test_a_server_that_does_not_page_by_id_is_not_asked_without_end(ids: list[int]) -> None:
    pages = httpx.Response(200, json={"tasks": [{"id": number} for number in ids]})
    with (
        open_client(httpx.MockTransport(lambda _: pages)) as client,
        pytest.raises(LabelStudioUnavailable, match="check its version"),
    ):
        list(client.list_tasks(1))


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (httpx.ReadTimeout("slow"), "gave no answer in time (/api/projects/)"),
        (httpx.ConnectError("refused"), "cannot be reached (ConnectError); see that it runs"),
        (httpx.RemoteProtocolError("cut"), "cannot be reached (RemoteProtocolError)"),
    ],
)
def test_a_server_that_is_away_is_one_sentence(failure: httpx.HTTPError, text: str) -> None:
    def fail(_request: httpx.Request) -> httpx.Response:
        raise failure

    with open_client(httpx.MockTransport(fail)) as client, pytest.raises(LabelStudioUnavailable) as raised:
        client.find_projects("ZoomIn")
    assert text in raised.value.detail
