"""Download of Apache Kafka's jars, once, into a cache."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import LocalStackFailed

KAFKA_VERSION = "4.3.1"
# kafka-clients is named too: otherwise the resolver chooses an older version.
_COORDINATES = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    f"org.apache.kafka:kafka-clients:{KAFKA_VERSION}",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.3",
)
_TRIES = 3
_NETWORK_TIMEOUT_S = 30


def fetch_kafka_jars(cache: Path, *, notify: Callable[[str], None]) -> Path:
    """Return the directory of the jars below `cache`, and download them if they are missing.

    The directory appears only when it is complete, even after an interrupted download.

    Raises: LocalStackFailed.
    """
    jars = cache / f"kafka-{KAFKA_VERSION}"
    for tries_left in reversed(range(_TRIES)):
        if jars.is_dir():
            break
        notify("Fetching Kafka's jars (45 MB, once)")
        try:
            _download(jars)
        except (OSError, RuntimeError) as error:  # raised by requests and jgo, and if another process was faster
            if not tries_left and not jars.is_dir():
                cause = f"{type(error).__name__}: {str(error)[:300]}"
                raise LocalStackFailed(
                    f"Kafka's jars could not be fetched from the Maven repository: {cause}"
                ) from error
    return jars


def _download(jars: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver  # only the download needs the extra `local`

    jars.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=jars.parent) as scratch:
        # A new repository for each try: jgo takes an incomplete jar of an interrupted run for a complete one.
        repository = Path(scratch, "repository")
        context = MavenContext(resolver=PythonResolver(), repo_cache=repository, timeout=_NETWORK_TIMEOUT_S)
        direct, transitive = context.resolver.resolve([context.create_dependency(name) for name in _COORDINATES])
        complete = Path(scratch, "jars")
        complete.mkdir()
        for dependency in [*direct, *transitive]:
            jar: Path = dependency.artifact.resolve()
            jar.rename(complete / jar.name)
        complete.rename(jars)
