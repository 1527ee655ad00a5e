"""The `zoomin` command: it runs a verb and prints a failure as one line with an exit code."""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from functools import cache

from pipeline.errors import BadSettings, ZoomInError
from worker.common import settings

VERBS = ("run", "collect", "check", "demo", "up", "inspect", "decode", "events", "submit", "tail", "replay", "rejudge")
SERVICES = ("run", "collect")
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    verb = ""
    try:
        arguments = sys.argv[1:] if arguments is None else arguments
        if arguments and arguments[0] in SERVICES:
            # A SIGTERM waits until the service handles it: until then it would end us with 143, and PID 1 ignores it.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        settings.apply_process_environment()
        options = _build_parser(arguments).parse_args(arguments)
        verb = f" {options.verb}"
        return int(options.run(options))
    except ZoomInError as error:
        print(f"zoomin{verb}: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of the pipe has left: no message, no traceback
        return 0


def _build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser with the verb of the command line alone if it names one: importing all verbs takes seconds."""
    named = [verb for verb in arguments[:1] if verb in VERBS]
    parser = argparse.ArgumentParser(
        prog="zoomin",
        description="Tells generated images from photographs: events in by Kafka, verdicts with evidence out.",
        epilog="Start with `zoomin demo`. Settings: ZOOMIN_<SECTION>__<FIELD>, listed by `zoomin check`.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in named or VERBS:
        command = importlib.import_module(f"worker.commands.{verb}")
        sub = verbs.add_parser(
            verb, help=command.HELP, description=command.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.configure(sub)
        sub.set_defaults(run=command.run, settings=cache(settings.load_settings))
    return parser


if __name__ == "__main__":
    sys.exit(main())
