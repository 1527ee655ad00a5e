"""Fixtures for all kinds of tests: real services, started when a test first asks, one of each per worker of pytest.

`kafka` (KafkaForTests): `.bootstrap_servers`; `.create_topic(name, partitions=, max_message_bytes=)` and
    `.create_dead_letter_topic(name)` return the name of a new topic; `.read_records(topic)` returns all that is in it;
    `.send(topic, *values, key=, headers=, partition=)`; `.environment`; `.broker`.
`seaweedfs` (S3ForTests): `.endpoint_url`, `.region`, `.access_key`, `.secret_key`, `.create_bucket(name)` returns the
    name of a new bucket; `.client` is a boto3 client; `.credentials` (AWS_* for monkeypatch.setenv); `.environment`.
`versitygw` (VersityGw): `.s3` is an S3ForTests; `.topic` receives its notifications, those of all tests.
    A test that needs a topic for itself starts its own:
    `VersityGw(directory, bootstrap_servers=, topic=, notify=print).start()`.

`label_studio` (LabelStudioForTests): `.url`, `.token` of an administrator, `.data_directory`; `.create_user(name)`
    returns the token of a new member, `.password` is that of all users; `.environment` (ZOOMIN_TRAIN_LABELS_*);
    `.connect(token)` is an httpx client. It shows images of `seaweedfs`, from buckets whose name holds "labels". From
    an empty cache it takes two minutes to install.

`chromium` (Chromium): `.paint(files)` returns the pixels that a real browser paints of each file over white.

`vllm_engine` (VllmEngine): the real engine on models/zoomin-tiny, started once; its tests are marked
    `pytest.mark.asyncio(loop_scope="session")`, and their file stands in `TOGETHER` of tests/support/scheduling.py.

`own_kafka` (KafkaForTests): a second broker, which a test may stop, kill and freeze; it runs when the next test begins.

Tests never share topics or buckets, so they run in any order. A test that stops, kills or freezes an S3 starts its own:
`SeaweedFs(tmp_path).start()`.
Inherited variables ZOOMIN_* and AWS_* are dropped. If a service cannot be started, its tests are skipped; where CI=true
they fail.
"""

import logging
import os
import shutil
import signal
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pytest
import pytest_asyncio

from pipeline.errors import LocalStackFailed
from worker.local import server

if TYPE_CHECKING:  # unit tests pay for no client of Kafka and S3, and for no engine
    from pipeline.vllm.engine import VllmEngine
    from tests.support.servers.chromium import Chromium
    from tests.support.servers.label_studio import LabelStudioForTests
    from tests.support.servers.services import KafkaForTests, S3ForTests, VersityGw
    from worker.local.kafka import KafkaBroker
    from worker.local.s3 import SeaweedFs

pytest_plugins = ["tests.support.coverage_of_workers", "tests.support.scheduling", "tests.support.timing"]
Service = TypeVar("Service")

_BUILD_TIMEOUT_S = 1200  # the first test that uses one of them builds it
_BUILT = frozenset({"versitygw", "label_studio"})


def pytest_configure(config: pytest.Config) -> None:
    # kafka-python 3.0 reads its message schemas by functions that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # A shell ignores Ctrl-C for background jobs, and processes that tests start would inherit this.
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _BUILT.intersection(getattr(item, "fixturenames", ())) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(_BUILD_TIMEOUT_S))


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their argument: their content may differ between two processes (gzip stores the time)."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture(scope="session", autouse=True)
def no_inherited_settings() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in list(os.environ):
            if name.startswith(("ZOOMIN_", "AWS_")):
                environment.delenv(name)
        environment.setenv("AWS_CONFIG_FILE", os.devnull)
        environment.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield


@pytest.fixture(scope="session", autouse=True)
def own_ports() -> Iterator[None]:
    """Give each worker of pytest-xdist its share of the ports: they start servers at the same time."""
    worker, workers = os.environ.get("PYTEST_XDIST_WORKER", "gw0"), os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(server, "_PORTS", server._PORTS[int(worker.removeprefix("gw")) :: int(workers)])
        yield


@pytest.fixture(autouse=True)
def own_log_level() -> Iterator[None]:
    """Keep the level of Kafka's client: a command quiets it for its whole process, here that of all tests."""
    client = logging.getLogger("kafka")
    level = client.level
    yield
    client.setLevel(level)


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaForTests]":
    from tests.support.servers.services import KafkaForTests
    from worker.local.kafka import KafkaBroker
    from worker.local.stack import CACHE

    directory = tmp_path_factory.mktemp("kafka")
    broker = present(lambda: KafkaBroker(directory, cache=CACHE, notify=print, remove=directory).start())
    yield KafkaForTests(broker)
    broker.stop()
    forget_data(directory)


@pytest.fixture(scope="session")
def _fragile_broker(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[KafkaBroker]":
    from worker.local.kafka import KafkaBroker
    from worker.local.stack import CACHE

    directory = tmp_path_factory.mktemp("own-kafka")
    broker = present(lambda: KafkaBroker(directory, cache=CACHE, notify=print, remove=directory).start())
    yield broker
    broker.stop()
    forget_data(directory)


@pytest.fixture
def own_kafka(_fragile_broker: "KafkaBroker") -> "KafkaForTests":
    from tests.support.servers.services import KafkaForTests

    _fragile_broker.server.thaw()
    if _fragile_broker.server.process.returncode is not None:
        _fragile_broker.start()
    return KafkaForTests(_fragile_broker)


@pytest.fixture(scope="session")
def seaweedfs_server(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[SeaweedFs]":
    from worker.local.s3 import SeaweedFs

    directory = tmp_path_factory.mktemp("seaweedfs")
    weed = present(lambda: SeaweedFs(directory, remove=directory).start())
    yield weed
    weed.stop()
    forget_data(directory)


@pytest.fixture(scope="session")
def seaweedfs(seaweedfs_server: "SeaweedFs") -> "Iterator[S3ForTests]":
    from tests.support.servers.services import S3ForTests

    weed = seaweedfs_server
    s3 = S3ForTests(weed.endpoint_url, access_key=weed.access_key, secret_key=weed.secret_key)
    yield s3
    s3.client.close()


@pytest.fixture(scope="session")
def versitygw(kafka: "KafkaForTests", tmp_path_factory: pytest.TempPathFactory) -> "Iterator[VersityGw]":
    from tests.support.servers.services import VersityGw

    directory = tmp_path_factory.mktemp("versitygw")
    topic = kafka.create_topic("s3-notifications")

    def start() -> "VersityGw":
        return VersityGw(
            directory, bootstrap_servers=kafka.bootstrap_servers, topic=topic, notify=print, remove=directory
        ).start()

    gateway = present(start)
    yield gateway
    gateway.s3.client.close()
    gateway.stop()
    forget_data(directory)


@pytest.fixture(scope="session")
def label_studio(
    seaweedfs_server: "SeaweedFs", tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[LabelStudioForTests]":
    from tests.support.servers.label_studio import LabelStudioForTests
    from worker.local.label_studio import LabelStudio
    from worker.local.stack import CACHE

    directory = tmp_path_factory.mktemp("label-studio")

    def start() -> "LabelStudio":
        s3 = seaweedfs_server.endpoint_url
        return LabelStudio(directory, cache=CACHE, notify=print, s3_endpoint_url=s3, remove=directory).start()

    server = present(start)
    yield LabelStudioForTests(server, seaweedfs_server)
    server.stop()
    forget_data(directory)


@pytest.fixture(scope="session")
def chromium() -> "Chromium":
    from tests.support.servers.chromium import find_chromium
    from worker.local.stack import CACHE

    return present(lambda: find_chromium(CACHE, notify=print))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def vllm_engine() -> "AsyncIterator[VllmEngine]":
    async with run_engine() as engine:
        yield engine


@asynccontextmanager
async def run_engine(*, fronts: int = 1) -> "AsyncIterator[VllmEngine]":
    """Start the real engine on models/zoomin-tiny, and close it at the end."""
    from worker.common.settings import apply_process_environment

    apply_process_environment()  # before vLLM is imported
    with warnings.catch_warnings():  # torch and vLLM warn while they are imported
        warnings.simplefilter("ignore")
        from pipeline.checkpoint import Checkpoint
        from pipeline.vllm.engine import VllmEngine
        from pipeline.vllm.options import EngineOptions
        from tests.support.gpu_build import choose_start_method_as_on_gpus
        from tests.support.paths import MODEL

        choose_start_method_as_on_gpus()
        engine = await VllmEngine.start(Checkpoint.read(MODEL), EngineOptions(max_num_seqs=16, fronts=fronts))
    yield engine
    await engine.close()


def present(start: Callable[[], Service]) -> Service:
    """Return the started service; if it cannot start, skip the test, or fail it in CI."""
    try:
        return start()
    except LocalStackFailed as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(error.detail)


def forget_data(directory: Path) -> None:
    """Delete the data and keep the log; pytest deletes it after some runs."""
    for part in directory.iterdir():
        if part.is_dir():
            shutil.rmtree(part)
