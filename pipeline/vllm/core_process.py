"""Starts vLLM's core for several clients, each in a process of its own that binds two addresses of the core."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.checkpoint import Checkpoint
from pipeline.vllm.core_client import SHUTDOWN_S
from pipeline.vllm.options import EngineOptions, FrontPlace, build_arguments

if TYPE_CHECKING:
    from vllm.v1.engine.utils import CoreEngineLaunch


class CoreProcess:
    """The core's process, a child of this one."""

    def __init__(self, launch: "CoreEngineLaunch") -> None:
        self._launch = launch

    @property
    def processes(self) -> Sequence[BaseProcess]:
        """The core itself: if one of its own children for further GPUs ends, it ends too."""
        return list(self._launch.engine_manager.processes)

    @property
    def places(self) -> list[FrontPlace]:
        addresses = self._launch.addresses
        pairs = zip(addresses.inputs, addresses.outputs, strict=True)
        return [FrontPlace(index, *pair) for index, pair in enumerate(pairs)]

    def watch(self, front: BaseProcess) -> None:
        """Give up the core's start if this process ends before the core is ready."""
        self._launch.watched_frontend_processes = [*self._launch.watched_frontend_processes, front]

    def shutdown(self) -> None:
        """End the core, wait until it is gone, and delete the sockets that its clients have left."""
        self._launch.engine_manager.shutdown(SHUTDOWN_S)
        for address in (*self._launch.addresses.inputs, *self._launch.addresses.outputs):
            Path(address.removeprefix("ipc://")).unlink(missing_ok=True)


@contextmanager
def start_core(checkpoint: Checkpoint, options: EngineOptions, *, max_model_len: int) -> Iterator[CoreProcess]:
    """Start the core; the context begins with its process and ends when it is ready for the clients.

    Raises: what vLLM raises when it cannot start.
    """
    from vllm.v1.engine.utils import get_engine_zmq_addresses, launch_core_engines
    from vllm.v1.executor import Executor

    arguments = build_arguments(checkpoint, options, max_model_len)
    arguments._api_process_count, arguments._api_process_rank = options.fronts, -1
    config = arguments.create_engine_config()
    addresses = get_engine_zmq_addresses(config, options.fronts)
    with launch_core_engines(config, Executor.get_class(config), log_stats=True, addresses=addresses) as launch:
        yield CoreProcess(launch)
