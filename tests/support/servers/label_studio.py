"""The real Label Studio of the tests, shared by them; each test creates its own project and users."""

from pathlib import Path
from uuid import uuid4

import httpx

from worker.local.label_studio import LabelStudio
from worker.local.s3 import SeaweedFs

_TIMEOUT_S = 60  # a second on an idle machine


class LabelStudioForTests:
    """A running server; members join it as people do, by the administrator's invitation."""

    def __init__(self, server: LabelStudio, s3: SeaweedFs) -> None:
        self._server = server
        self._s3 = s3

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def token(self) -> str:
        """The administrator's token."""
        return self._server.token

    @property
    def user(self) -> str:
        """The administrator's name."""
        return self._server.user

    @property
    def password(self) -> str:
        """The password of all users."""
        return self._server.password

    @property
    def data_directory(self) -> Path:
        return self._server.data_directory

    @property
    def environment(self) -> dict[str, str]:
        """The settings by which `zoomin-train labels` finds this server and lets it read images."""
        return self._server.environment | self._s3.reader_environment

    def connect(self, token: str | None = None) -> httpx.Client:
        """Build a client of the API as the administrator or as the owner of `token`; the caller closes it."""
        headers = {"Authorization": f"Token {token or self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=_TIMEOUT_S, trust_env=False)

    def create_user(self, name: str = "annotator") -> str:
        """Create a member whose name begins with `name`, and return its token."""
        return self.invite(name)[1]

    def invite(self, name: str = "annotator") -> tuple[str, str]:
        """Create a member whose name begins with `name`, and return its e-mail address and its token."""
        email = f"{name}-{uuid4().hex[:8]}@zoomin.local"
        with self.connect() as administrator:
            link = administrator.get("/api/invite").raise_for_status().json()["invite_url"]
        with httpx.Client(base_url=self.url, timeout=_TIMEOUT_S, trust_env=False, follow_redirects=True) as browser:
            browser.get(link).raise_for_status()
            form = {
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
                "email": email,
                "password": self.password,
            }
            browser.post(link, data=form, headers={"Referer": self.url}).raise_for_status()
            token: str = browser.get("/api/current-user/token").raise_for_status().json()["token"]
        return email, token
