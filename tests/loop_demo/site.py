"""The places of a loop on a running local stack: topics, buckets, the model's registry, and the commands' settings."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pipeline.registry.cache import RevisionCache
from pipeline.registry.registry import ModelRegistry
from tests.loop_demo.plan import DEAD_LETTERS, IMAGES, LABELS, MODEL, MODELS, PARTITIONS, SETS, TOPICS, LoopDemoPlan
from tests.support.processes.command_line import Commands
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES
from worker.local.stack import LocalStack

ADDRESS = f"s3://{MODELS}/models/{MODEL}"
MAX_CACHE_BYTES = 1_000_000_000


class LoopSite:
    """Created anew for each start of a demo; what exists already stays."""

    def __init__(self, plan: LoopDemoPlan, stack: LocalStack) -> None:
        self._plan = plan
        self.stack = stack
        stack.create_topics(TOPICS.values(), partitions=PARTITIONS)
        stack.create_topics(DEAD_LETTERS.values(), max_message_bytes=DEAD_LETTER_MESSAGE_BYTES)
        stack.create_buckets([IMAGES, LABELS, MODELS, SETS])
        environment = stack.build_environment(label_bucket=LABELS) | {"ZOOMIN_STORE__BUCKETS": IMAGES}
        self.commands = Commands({**environment, **TOPICS, **DEAD_LETTERS, **plan.build_worker_settings()})

    @property
    def ledger(self) -> Path:
        return self._plan.out / "traffic.jsonl"

    @property
    def base(self) -> Path:
        """The frozen set that labels are mixed with."""
        return self._plan.out / "base"

    @property
    def calibration(self) -> Path:
        """Scenes that a challenger is calibrated on."""
        return self._plan.out / "calibration"

    @contextmanager
    def open_registry(self) -> Iterator[ModelRegistry]:
        with closing(self.stack.seaweedfs.build_client()) as client:
            yield ModelRegistry(client, MODELS, MODEL)

    def read_champion(self) -> str | None:
        """Return the revision that the pointer names."""
        with self.open_registry() as registry:
            pointer = registry.read_pointer()
        return pointer.champion.revision if pointer else None

    @contextmanager
    def fetch_revision(self, revision: str) -> Iterator[Path]:
        """Yield the directory of a revision's files, from the cache that the worker has too."""
        cache = RevisionCache(self._plan.out / "revisions", MAX_CACHE_BYTES)
        with self.open_registry() as registry, cache.fetch(registry, revision) as directory:
            yield directory
