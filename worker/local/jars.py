"""Fetches Apache Kafka's jars once and keeps them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import LocalStackFailed

KAFKA_VERSION = "4.3.1"
# kafka-clients is named too: left to itself the resolver mediates it to an older version.
_COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
)
_TRIES = 3
_NETWORK_TIMEOUT_S = 30


def kafka_jars(cache: Path, *, say: Callable[[str], None]) -> Path:
    """The directory of the jars below `cache`; it exists only when it is complete, whoever was interrupted.

    Raises: LocalStackFailed.
    """
    jars = cache / f"kafka-{KAFKA_VERSION}"
    for tries_left in reversed(range(_TRIES)):
        if jars.is_dir():
            break
        say("Fetching Kafka's jars (45 MB, once)")
        try:
            _fetch(jars)
        except (OSError, RuntimeError) as error:  # what requests and jgo raise; also when another process was faster
            if not tries_left and not jars.is_dir():
                cause = f"{type(error).__name__}: {str(error)[:300]}"
                raise LocalStackFailed(
                    f"Kafka's jars could not be fetched from the Maven repository: {cause}"
                ) from error
    return jars


def _fetch(jars: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver  # only whoever fetches needs the extra `local`

    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        # A repository of our own for each try: jgo takes a half-written jar of an interrupted run for a whole one.
        repository = Path(scratch, "repository")
        context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=_NETWORK_TIMEOUT_S)
        named, transitive = context.resolver.resolve([context.create_dependency(name) for name in _COORDINATES])
        complete = Path(scratch, "jars")
        complete.mkdir()
        for dependency in [*named, *transitive]:
            jar: Path = dependency.artifact.resolve()
            jar.rename(complete / jar.name)
        complete.rename(jars)
