"""The local stack's S3: a real SeaweedFS server with its S3 gateway."""

import json
import secrets
import shutil
import sysconfig
import urllib.request
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Self

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import LocalStackFailed
from worker.local.server import LocalServer

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

REGION = "us-east-1"

_ACCESS_KEY = "zoomin"
# One volume for a bucket instead of seven: fewer files, and no limit that a run of tests would meet.
_MASTER_TOML = "[master.volume_growth]\ncopy_1 = 1\n"
_GRACE_S = 0.5  # asked to end, it waits 15 s for a stream to itself; what it wrote is in the kernel's hands long before


class SeaweedFs:
    """One server; started again, it has the same ports, the same credentials and the same data.

    `more_ports` are options of the server that name a port.
    """

    def __init__(
        self, directory: Path, *, port: int = 0, more_ports: Sequence[str] = (), remove: Path | None = None
    ) -> None:
        ports = [f"{part}.{kind}" for part in ("s3", "master", "volume", "filer") for kind in ("port", "port.grpc")]
        self.server = LocalServer(
            "SeaweedFS",
            directory,
            ports=[*ports, *more_ports],
            fixed={"s3.port": port},
            grace_s=_GRACE_S,
            remove=remove,
        )
        self.access_key = _ACCESS_KEY
        self.secret_key = _remembered_secret(self.server.directory / "secret")

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.server.ports['s3.port']}"

    def launch(self, *more_options: str) -> None:
        """Start the process and return before it answers.

        Raises: LocalStackFailed.
        """
        home = self.server.directory
        (home / "data").mkdir(exist_ok=True)
        (home / "master.toml").write_text(_MASTER_TOML)  # read from the working directory
        (home / "s3.json").touch(mode=0o600)
        (home / "s3.json").write_text(identities(self.access_key, self.secret_key))
        ports = [f"-{option}={port}" for option, port in self.server.ports.items()]
        self.server.launch(
            [
                _weed(),
                "-logtostderr",
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
                f"-dir={home / 'data'}",
                "-s3",
                f"-s3.config={home / 's3.json'}",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
                "-master.electionTimeout=1s",  # a restarted master waits it out, alone as it is
                "-master.volumeSizeLimitMB=1024",
                "-volume.max=1000",
                "-volume.preStopSeconds=0",
                *ports,
                *more_options,
            ]
        )

    def wait_until_ready(self) -> None:
        """Raises: LocalStackFailed."""
        self.server.wait_until(self._answers, port="s3.port")

    def start(self) -> Self:
        self.launch()
        self.wait_until_ready()
        return self

    def stop(self) -> None:
        self.server.stop()

    def kill(self) -> None:
        self.server.kill()

    def client(self) -> "S3Client":
        """A client with this server's credentials, for whoever prepares or inspects buckets."""
        return s3_client(self.endpoint_url, self.access_key, self.secret_key)

    def create_buckets(self, names: Iterable[str]) -> None:
        """Create those of the buckets that are not there yet.

        Raises: LocalStackFailed.
        """
        client = self.client()
        try:
            there = {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}
            for name in sorted(set(names) - there):
                client.create_bucket(Bucket=name)
        except (BotoCoreError, ClientError) as error:
            raise self.server.failure(f"buckets could not be created ({error})") from error
        finally:
            client.close()

    def _answers(self) -> bool:
        client = self.client()
        try:
            client.list_buckets()
            self._write_a_file()
        except (BotoCoreError, ClientError, OSError):
            return False
        finally:
            client.close()
        return True

    def _write_a_file(self) -> None:
        # Buckets are listed while the volumes are not back yet: a file beside the buckets needs every part.
        url = f"http://127.0.0.1:{self.server.ports['filer.port']}/ready"
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(urllib.request.Request(url, data=b"ready", method="PUT"), timeout=5):
            pass


def s3_client(endpoint_url: str, access_key: str, secret_key: str) -> "S3Client":
    """A client for an S3 on loopback: path style, no proxy, short patience."""
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


def identities(access_key: str, secret_key: str) -> str:
    """SeaweedFS's `s3.json`: one user who may do everything."""
    user = {
        "name": access_key,
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    return json.dumps({"identities": [user]})


def _remembered_secret(file: Path) -> str:
    if not file.exists():
        file.touch(mode=0o600)
        file.write_text(secrets.token_hex(16))
    return file.read_text()


def _weed() -> Path:
    beside_python = Path(sysconfig.get_path("scripts"), "weed")
    found = beside_python if beside_python.exists() else shutil.which("weed")
    if found is None:
        raise LocalStackFailed("the local stack's parts are missing: pip install 'zoomin-worker[local]'")
    return Path(found)
