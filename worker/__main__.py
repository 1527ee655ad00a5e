"""The `zoomin` command: its verbs, and what a failure looks like to the person who typed it."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from functools import cache

from pipeline.errors import BadSettings, ZoomInError
from worker.common import settings

VERBS = ("run", "check", "demo", "up", "inspect", "submit", "tail", "replay")
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    verb = ""
    try:
        settings.apply_process_environment()
        chosen = _parser(sys.argv[1:] if arguments is None else arguments).parse_args(arguments)
        verb = f" {chosen.verb}"
        return int(chosen.run(chosen))
    except ZoomInError as error:
        print(f"zoomin{verb}: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()  # the reader of a pipe has left: nothing to say to it
        return 0


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Only the verb that is asked for is imported: all of them take seconds."""
    asked = [verb for verb in arguments[:1] if verb in VERBS]
    parser = argparse.ArgumentParser(
        prog="zoomin",
        description="Tells generated images from photographs: events in by Kafka, verdicts with evidence out.",
        epilog="Start with `zoomin demo`. Settings: ZOOMIN_<SECTION>__<FIELD>, listed by `zoomin check`.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in asked or VERBS:
        command = importlib.import_module(f"worker.commands.{verb}")
        sub = verbs.add_parser(
            verb, help=command.HELP, description=command.HELP, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        command.configure(sub)
        sub.set_defaults(run=command.run, settings=cache(settings.load))
    return parser


if __name__ == "__main__":
    sys.exit(main())
