"""Open the registry of a model in a bucket, and this machine's cache of its revisions, as the settings say."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

from pipeline.registry.address import ModelAddress
from pipeline.registry.cache import RevisionCache
from pipeline.registry.registry import ModelRegistry
from training.common.s3 import open_s3
from training.settings import TrainSettings

FOLDER = "revisions"
"""of the cache"""


@contextmanager
def open_registry(address: ModelAddress, settings: TrainSettings) -> Iterator[ModelRegistry]:
    """Open the registry that the address names; credentials come by boto3's own chain."""
    with closing(open_s3(settings)) as client:
        yield ModelRegistry(client, address.bucket, address.name)


def build_revision_cache(settings: TrainSettings, notify: Callable[[str], None]) -> RevisionCache:
    """Build the cache of revisions, which all processes of this machine share."""
    return RevisionCache(settings.cache_directory / FOLDER, settings.revisions_bytes, notify)
