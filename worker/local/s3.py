"""S3 of the local stack: a real SeaweedFS server with its S3 gateway."""

import json
import shutil
import sysconfig
import urllib.request
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import LocalStackFailed
from worker.local.server import LocalServer, load_or_create_secret
from worker.local.service import LocalService

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"
ALL_RIGHTS = ("Admin", "Read", "Write", "List", "Tagging")

_ACCESS_KEY = "zoomin"
_READER_ACCESS_KEY = "zoomin-labels-images"
# Of buckets for labels: the images alone, because cases hold what a blind annotator must not see.
_READER_RIGHTS = ("Read:*labels*/images/*", "List:*labels*/images*")
# One volume for each bucket instead of seven: fewer files, and a long run of tests reaches no limit.
_MASTER_TOML = "[master.volume_growth]\ncopy_1 = 1\n"
# On SIGTERM the server waits 15 s for a stream to itself; its writes have reached the kernel long before.
_GRACE_S = 0.5


class SeaweedFs(LocalService):
    """One server; after a restart it has the same ports, credentials and data.

    `extra_ports` are options of the server that name a port. The reader's key is for Label Studio: it reads below
    `images/` of each bucket whose name holds "labels", and nothing else.
    """

    def __init__(
        self, directory: Path, *, port: int = 0, extra_ports: Sequence[str] = (), remove: Path | None = None
    ) -> None:
        ports = [f"{part}.{kind}" for part in ("s3", "master", "volume", "filer") for kind in ("port", "port.grpc")]
        ports += extra_ports
        super().__init__(
            LocalServer("SeaweedFS", directory, ports=ports, fixed={"s3.port": port}, grace_s=_GRACE_S, remove=remove)
        )
        self.access_key = _ACCESS_KEY
        self.secret_key = load_or_create_secret(self.server.directory / "secret", size_bytes=16)
        self.reader_access_key = _READER_ACCESS_KEY
        self.reader_secret_key = load_or_create_secret(self.server.directory / "reader_secret", size_bytes=16)

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports['s3.port']}"

    @property
    def reader_environment(self) -> dict[str, str]:
        """The variables by which `zoomin-train labels` lets Label Studio read images."""
        return {
            "ZOOMIN_TRAIN_LABELS_S3_ACCESS_KEY": self.reader_access_key,
            "ZOOMIN_TRAIN_LABELS_S3_SECRET_KEY": self.reader_secret_key,
        }

    def launch(self, *extra_options: str) -> None:
        """Start the process and return before it answers. Raises: LocalStackFailed."""
        home = self.server.directory
        (home / "data").mkdir(exist_ok=True)
        (home / "master.toml").write_text(_MASTER_TOML)  # read from the working directory
        (home / "s3.json").touch(mode=0o600)
        reader = build_identity(self.reader_access_key, self.reader_secret_key, _READER_RIGHTS)
        (home / "s3.json").write_text(render_identities(build_identity(self.access_key, self.secret_key), reader))
        ports = [f"-{option}={port}" for option, port in self.server.ports.items()]
        self.server.launch(
            [
                _find_weed(),
                "-logtostderr",
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={home / 'data'}",
                "-s3",
                f"-s3.config={home / 's3.json'}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.electionTimeout=1s",  # a restarted single master waits for this time
                "-master.volumeSizeLimitMB=1024",
                "-volume.max=1000",
                "-volume.preStopSeconds=0",
                *ports,
                *extra_options,
            ]
        )

    def build_client(self) -> "S3Client":
        """Build a client with this server's credentials, for preparing and inspecting buckets."""
        return build_s3_client(self.endpoint_url, self.access_key, self.secret_key)

    def create_buckets(self, names: Iterable[str]) -> None:
        """Create the buckets that do not exist yet. Raises: LocalStackFailed."""
        client = self.build_client()
        try:
            existing = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for name in sorted(set(names) - existing):
                client.create_bucket(Bucket=name)
        except (BotoCoreError, ClientError) as error:
            raise self.server.build_error(f"buckets could not be created ({error})") from error
        finally:
            client.close()

    def _is_ready(self) -> bool:
        client = self.build_client()
        try:
            client.list_buckets()
            self._write_probe_file()
        except (BotoCoreError, ClientError, OSError):
            return False
        finally:
            client.close()
        return True

    def _write_probe_file(self) -> None:
        # The gateway lists buckets before the volumes are back; writing a file needs all parts of the server.
        url = f"http://127.0.0.1:{self.server.ports['filer.port']}/ready"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(urllib.request.Request(url, data=b"ready", method="PUT"), timeout=5):
            pass


def build_s3_client(endpoint_url: str, access_key: str, secret_key: str) -> "S3Client":
    """Build a client for an S3 on loopback, with path style, no proxy and short timeouts."""
    return boto3.client(
        "s3",
        endpoint_url=endpoint_url,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": "path"},
            proxies={},
            connect_timeout=2,
            read_timeout=10,
            retries={"mode": "standard", "total_max_attempts": 3},
            max_pool_connections=16,
        ),
    )


def build_identity(access_key: str, secret_key: str, rights: Sequence[str] = ALL_RIGHTS) -> Mapping[str, object]:
    """Build a user of SeaweedFS with one key; a right may be limited to a pattern of buckets and keys."""
    return {
        "name": access_key,
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": list(rights),
    }


def render_identities(*identities: Mapping[str, object]) -> str:
    """Render SeaweedFS's `s3.json`."""
    return json.dumps({"identities": identities})


def _find_weed() -> Path:
    beside_python = Path(sysconfig.get_path("scripts"), "weed")
    found = beside_python if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise LocalStackFailed("the local stack's parts are missing: pip install 'zoomin-worker[local]'")
    return Path(found)
