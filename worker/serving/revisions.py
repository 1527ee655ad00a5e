"""Opens the model that the settings name: a directory, or a revision that comes from its registry into a cache."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field

from pipeline.checkpoint import CARD_NAME, Checkpoint, CheckpointCard, parse_card
from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress
from pipeline.registry.cache import RevisionCache
from pipeline.registry.manifest import SmokeQuestion
from pipeline.registry.registry import ModelRegistry, Pointer
from pipeline.storage.objects import read_object
from worker.common.sections import EngineSettings, StoreSettings
from worker.observe import telemetry
from worker.serving.refusal import ModelRefused, Refusal, refuse_for
from worker.storage.client import open_store_client

MAX_CARD_BYTES = 16_000_000
Notify = Callable[[str], None]


def log_progress(sentence: str) -> None:
    telemetry.get_logger().info(telemetry.MODEL_FETCH_ADVANCED, detail=sentence)


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A checkpoint on this machine; one from a registry stays in the cache until `hold` is closed."""

    checkpoint: Checkpoint
    smoke: tuple[SmokeQuestion, ...] = ()
    hold: ExitStack = field(default_factory=ExitStack)


@dataclass(frozen=True, slots=True)
class Revisions:
    """The revisions of one model; every method blocks, and raises AccessDenied and StoreUnavailable."""

    registry: ModelRegistry
    cache: RevisionCache
    address: ModelAddress

    def read_pointer(self) -> Pointer:
        """Read which revision is the champion. Raises: BadSettings if there is none, or its pointer cannot be read."""
        pointer = self.registry.read_pointer()
        if pointer is None:
            raise BadSettings(f"{self.address} has no champion: promote one with `zoomin-train models promote`")
        return pointer

    def find_named(self) -> str:
        """Return the revision that the address names. Raises: BadSettings as `read_pointer`."""
        return self.address.revision or self.read_pointer().champion.revision

    def read_card(self, revision: str) -> CheckpointCard:
        """Read the card of a revision without downloading the others of its files. Raises: ModelRefused."""
        with refuse_for(Refusal.MANIFEST):
            files = self.registry.read_manifest(revision).files
        if CARD_NAME not in files:
            return CheckpointCard()
        key = self.registry.build_file_key(revision, CARD_NAME)
        with refuse_for(Refusal.CARD):
            body = read_object(self.registry.client, self.registry.bucket, key, max_bytes=MAX_CARD_BYTES).body
            return parse_card(body, f"s3://{self.registry.bucket}/{key}")

    def fetch(self, revision: str) -> LocalModel:
        """Download a revision as far as the cache lacks it, check every file, and read its card.

        Raises: ModelRefused; CacheFull; OSError from the disk.
        """
        with refuse_for(Refusal.MANIFEST):
            manifest = self.registry.read_manifest(revision)
        with ExitStack() as held:
            with refuse_for(Refusal.FILES):
                path = held.enter_context(self.cache.fetch(self.registry, revision))
            with refuse_for(Refusal.CARD):
                checkpoint = Checkpoint.read(path)
            if checkpoint.revision != revision:
                detail = f"the files of {revision} in {path} are those of another revision, {checkpoint.revision}"
                raise ModelRefused(Refusal.CARD, detail)
            return LocalModel(checkpoint, tuple(manifest.smoke), held.pop_all())

    def fetch_previous(self, refusal: ModelRefused) -> LocalModel:
        """Fetch the champion before the present one, which was refused; it is logged.

        Raises: the refusal if there is none before; otherwise as `fetch`.
        """
        champion = self.read_pointer().champion
        if champion.previous is None:
            raise refusal
        telemetry.get_logger().error(
            telemetry.MODEL_REFUSED,
            revision=champion.revision,
            serving=champion.previous,
            reason=refusal.reason,
            detail=refusal.detail,
        )
        return self.fetch(champion.previous)


@contextmanager
def open_revisions(
    address: ModelAddress, engine: EngineSettings, store: StoreSettings, *, notify: Notify = log_progress
) -> Iterator[Revisions]:
    """Open the registry of a model, on the S3 of the store's settings."""
    cache = RevisionCache(engine.cache.expanduser(), engine.cache_max_bytes, notify)
    with closing(open_store_client(store)) as client:
        yield Revisions(ModelRegistry(client, address.bucket, address.name), cache, address)


def fetch_model(engine: EngineSettings, store: StoreSettings, *, notify: Notify = log_progress) -> LocalModel:
    """Return the model of the settings; it blocks while a revision is downloaded, of which `notify` gets sentences.

    Raises: BadSettings, AccessDenied, StoreUnavailable; OSError from the disk of the cache.
    """
    if not isinstance(engine.model, ModelAddress):
        return LocalModel(Checkpoint.read(engine.model))
    with open_revisions(engine.model, engine, store, notify=notify) as revisions:
        return revisions.fetch(revisions.find_named())


def fetch_first_model(engine: EngineSettings, store: StoreSettings) -> LocalModel:
    """Return the model that a worker starts with: where it follows, the champion before if the champion is refused.

    Raises: as `fetch_model`.
    """
    try:
        return fetch_model(engine, store)
    except ModelRefused as refusal:
        return fetch_previous_model(engine, store, refusal)


def fetch_previous_model(engine: EngineSettings, store: StoreSettings, refusal: ModelRefused) -> LocalModel:
    """Return the champion before the one that was refused. Raises: the refusal if the worker does not follow."""
    if not (engine.follow_s and isinstance(engine.model, ModelAddress)):
        raise refusal
    with open_revisions(engine.model, engine, store) as revisions:
        return revisions.fetch_previous(refusal)
