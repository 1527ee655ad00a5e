"""Runs a service of ours to its end: log, hidden environment, and an error that says what to do."""

import asyncio
import os
from collections.abc import Callable, Coroutine

from pipeline.errors import InternalFault, ZoomInError
from pipeline.sandbox.kernel import hide_from_others
from worker.common.settings import Settings
from worker.observe import telemetry
from worker.observe.log_output import configure_logging


def run_service(settings: Settings, serve: Callable[[Settings], Coroutine[None, None, bool]]) -> int:
    """Run until `serve` returns, and return the exit code; False means that a stop came during the start.

    Raises: FatalError, InternalFault for a bug of ours, KeyboardInterrupt at a second signal.
    """
    configure_logging(settings.telemetry)
    if not settings.telemetry.debuggable:
        hide_from_others()  # the environment holds credentials
    try:
        if not asyncio.run(serve(settings)):
            # All resources are closed; a normal exit would wait for imports and hashing that the start left running.
            os._exit(0)
    except ZoomInError as error:
        telemetry.get_logger().error(telemetry.WORKER_FAILED, code=error.code, detail=error.detail)
        raise
    except Exception as error:
        fault = InternalFault(
            f"a bug of ours ended the worker ({type(error).__name__}: {error}); the log line worker_failed has its "
            "traceback: please report it"
        )
        telemetry.get_logger().exception(telemetry.WORKER_FAILED, code=fault.code, detail=fault.detail)
        raise fault from error
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None
    return 0
