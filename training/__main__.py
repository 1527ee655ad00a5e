"""The `zoomin-train` command: it parses the verb, loads the settings, and turns errors into one sentence and a code."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from types import ModuleType

from pipeline.errors import BadSettings, ZoomInError
from training import settings

VERBS = (
    "scenes",
    "build",
    "labels",
    "snapshot",
    "tiny",
    "sft",
    "grpo",
    "calibrate",
    "evaluate",
    "paper-tables",
    "report",
    "estimate",
    "shadow",
    "models",
    "gate",
    "retrain",
    "baseline",
    "stages",
    "overlay",
    "dry-run",
    "gpu-check",
)
ROOMS = {
    **dict.fromkeys(("labels", "snapshot", "estimate"), "label_commands"),
    **dict.fromkeys(("models", "gate", "retrain", "shadow"), "model_commands"),
}
"""rooms of verbs; all others are in `training/commands`"""
INTERRUPTED = 130


def main(arguments: list[str] | None = None) -> int:
    typed = sys.argv[1:] if arguments is None else arguments
    args = _build_parser(typed).parse_args(typed)
    args.typed = typed  # a dry run prints them
    try:
        loaded = settings.load()
        # Before anything imports torch or transformers: they read the environment once.
        settings.apply_process_environment(loaded.threads)
        return int(args.run(args, loaded))
    except ZoomInError as error:
        print(f"zoomin-train {args.verb}: {error.detail}", file=sys.stderr)
        return 2 if isinstance(error, BadSettings) else 1
    except OSError as error:
        print(f"zoomin-train {args.verb}: {error}; check the path and the space there", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return INTERRUPTED


def _build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Build the parser of the verb that was typed, or of all; a verb imports torch and the like only when it runs."""
    typed = [verb for verb in arguments[:1] if verb in VERBS]
    parser = argparse.ArgumentParser(
        prog="zoomin-train",
        description="Makes and measures ZoomIn checkpoints.",
        allow_abbrev=False,
        epilog="Settings: ZOOMIN_TRAIN_CACHE, _THREADS, _WORKERS, _CONCURRENCY; of verbs that ask a model "
        "_TENSOR_PARALLEL_SIZE, _GPU_MEMORY_UTILIZATION, _MAX_MODEL_LEN, _MAX_NUM_SEQS. Start with `dry-run`.",
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for verb in typed or VERBS:
        command = import_verb(verb)
        sub = verbs.add_parser(
            verb,
            help=command.HELP,
            description=f"{command.HELP[0].upper()}{command.HELP[1:]}.",
            epilog=f"Example: {command.EXAMPLE}",
            allow_abbrev=False,  # a dry run repeats the words that were typed, without its own options
        )
        command.configure(sub)
        sub.set_defaults(run=command.run)
    return parser


def import_verb(verb: str) -> ModuleType:
    """Import the module of a verb, with HELP, EXAMPLE, `configure` and `run`."""
    room = ROOMS.get(verb, "commands")
    return importlib.import_module(f"training.{room}.{verb.replace('-', '_')}")


if __name__ == "__main__":
    sys.exit(main())
