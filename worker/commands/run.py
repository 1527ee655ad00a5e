"""`zoomin run`: run the worker until it is stopped."""

import argparse
import asyncio
import os

from pipeline.errors import InternalFault, ZoomInError
from pipeline.sandbox.kernel import hide_from_others
from worker import app
from worker.observe import telemetry

NAME = "run"
HELP = "judge events until stopped (SIGTERM drains; exit 0 asked to stop, 1 fatal, 2 bad settings)"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "example:\n"
        "  ZOOMIN_KAFKA__BOOTSTRAP_SERVERS=broker:9092 ZOOMIN_STORE__BUCKETS=uploads \\\n"
        "  ZOOMIN_ENGINE__MODEL=/models/zoomin-7b zoomin run"
    )


def run(args: argparse.Namespace) -> int:
    settings = args.settings()
    telemetry.configure_logging(settings.telemetry)
    if not settings.telemetry.debuggable:
        hide_from_others()  # the environment holds credentials
    try:
        if not asyncio.run(app.run_worker(settings)):
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
