"""Label Studio of the local stack: the real server on SQLite, for tests and for trying it; people get Postgres."""

import shutil
import urllib.request
from pathlib import Path

from worker.local.label_studio_packages import build_clean_environment, install_label_studio
from worker.local.server import LocalServer, Notify, load_or_create_secret
from worker.local.service import LocalService

USER = "annotator@zoomin.local"


class LabelStudio(LocalService):
    """One server on loopback; after a restart it has the same port, user, token and data.

    `s3_endpoint_url` is the S3 whose images it shows. Its storages must not name an endpoint themselves: Label Studio
    refuses those on loopback.
    """

    def __init__(
        self,
        directory: Path,
        *,
        cache: Path,
        notify: Notify,
        s3_endpoint_url: str,
        port: int = 0,
        remove: Path | None = None,
    ) -> None:
        super().__init__(LocalServer("Label Studio", directory, ports=["http"], fixed={"http": port}, remove=remove))
        self.data_directory = self.server.directory / "data"
        self.user = USER
        self.password = load_or_create_secret(self.server.directory / "password", size_bytes=16)
        self.token = load_or_create_secret(self.server.directory / "token", size_bytes=20)
        self._secret_key = load_or_create_secret(self.server.directory / "secret_key", size_bytes=32)
        self._s3_endpoint_url = s3_endpoint_url
        self._cache = cache
        self._notify = notify

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports['http']}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which `zoomin-train labels` finds this server."""
        return {"ZOOMIN_TRAIN_LABELS_URL": self.url, "ZOOMIN_TRAIN_LABELS_TOKEN": self.token}

    def launch(self) -> None:
        """Start the process and return before it answers. Raises: LocalStackFailed."""
        packages = install_label_studio(self._cache, notify=self._notify)
        if not self.data_directory.exists():
            _copy_whole(packages.migrated_data, self.data_directory)
        self.server.launch(
            [
                packages.python,
                "-m",
                "label_studio.server",
                "start",
                "--no-browser",
                "--internal-host=127.0.0.1",
                f"--port={self.server.ports['http']}",
                "--enable-legacy-api-token",  # counts at the first start alone, when the organization is created
            ],
            env=build_clean_environment(self.data_directory) | self._build_settings(),
        )

    def _build_settings(self) -> dict[str, str]:
        return {
            "SECRET_KEY": self._secret_key,
            "LABEL_STUDIO_USERNAME": self.user,
            "LABEL_STUDIO_PASSWORD": self.password,
            "LABEL_STUDIO_USER_TOKEN": self.token,
            "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "True",
            "LABEL_STUDIO_ENABLE_LOCAL_FILES_STORAGE": "False",
            "LABEL_STUDIO_CORS_ALLOW_ALL_ORIGINS": "False",
            "LABEL_STUDIO_S3_ENDPOINT": self._s3_endpoint_url,
        }

    def _is_ready(self) -> bool:
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with direct.open(f"{self.url}/health", timeout=5) as response:
                return bool(response.status == 200)
        except OSError:
            return False


def _copy_whole(source: Path, target: Path) -> None:
    """Copy a directory so that `target` appears only when it is complete."""
    partial = target.with_name(f"{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    shutil.copytree(source, partial)
    partial.rename(target)
