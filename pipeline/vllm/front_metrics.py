"""Brings vLLM's Prometheus families from the processes of all fronts into this process."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

from prometheus_client import REGISTRY
from prometheus_client.multiprocess import MultiProcessCollector


class FrontMetrics:
    """A directory where fronts write their metrics, and a collector in the default registry that adds them up."""

    def __init__(self) -> None:
        self._directory = TemporaryDirectory(prefix="zoomin-fronts-")
        self._collector = MultiProcessCollector(REGISTRY, self._directory.name)  # type: ignore[no-untyped-call] # theirs

    @contextmanager
    def set_directory(self) -> Iterator[None]:
        """Let the processes that are started meanwhile write their metrics into the directory."""
        from vllm.utils.system_utils import set_env_var

        with set_env_var("PROMETHEUS_MULTIPROC_DIR", self._directory.name):
            yield

    def close(self) -> None:
        REGISTRY.unregister(self._collector)
        self._directory.cleanup()
