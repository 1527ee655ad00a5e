"""Build the page of the commands from their argument parsers."""

import argparse
import importlib
from collections.abc import Iterator

from tests.support.reference.markdown import NOTE, join, table, wrap
from training import __main__ as training_command
from worker import __main__ as worker_command

PROGRAMS = (
    ("zoomin", worker_command.VERBS, lambda verb: importlib.import_module(f"worker.commands.{verb}")),
    ("zoomin-train", training_command.VERBS, training_command.import_verb),
)


def build_commands_page() -> str:
    parts = [
        "# Commands\n",
        NOTE,
        wrap(
            "Both commands print for users on a terminal and JSON on request. Errors are one sentence on stderr. Exit "
            "codes: 0 success, 1 failure, 2 bad settings or arguments, 130 interrupted."
        ),
        "The tasks of the repository are `make` targets; `make help` lists them.\n",
    ]
    for program, verbs, import_verb in PROGRAMS:
        for verb in verbs:
            module = import_verb(verb)
            parser = argparse.ArgumentParser(prog=f"{program} {verb}")
            module.configure(parser)
            example = getattr(module, "EXAMPLE", "")
            epilog = f"example:\n  {example}" if example else str(parser.epilog or "")
            parts += [f"## {program} {verb}\n", f"{module.HELP[0].upper()}{module.HELP[1:]}.\n"]
            arguments = list(describe_arguments(parser))
            parts += [table(("argument", "meaning"), arguments)] if arguments else []
            parts += [f"```text\n{epilog}\n```\n"] if epilog else []
    return join(parts)


def describe_arguments(parser: argparse.ArgumentParser) -> Iterator[tuple[str, str]]:
    for action in parser._actions:
        if action.dest == "help":
            continue
        if isinstance(action, argparse._SubParsersAction):
            yield from _describe_verbs(action)
            continue
        metavar = " ".join(action.metavar) if isinstance(action.metavar, tuple) else action.metavar or ""
        if action.choices is not None:
            metavar = metavar or "{" + ",".join(str(choice) for choice in action.choices) + "}"
        elif action.option_strings and action.nargs != 0:
            metavar = metavar or action.dest.upper()
        many = " ..." if action.nargs in ("+", "*") else ""
        names = " / ".join(action.option_strings) or metavar or action.dest
        value = f" {metavar}" if action.option_strings and metavar else ""
        text = (action.help or "") % {"default": action.default, "prog": parser.prog}
        yield f"`{names}{value}{many}`", text + (" (required)" if action.required and action.option_strings else "")


def _describe_verbs(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]") -> Iterator[tuple[str, str]]:
    """Describe each verb below a verb, and then its own arguments."""
    meanings = {choice.dest: choice.help or "" for choice in verbs._choices_actions}
    for name, parser in verbs.choices.items():
        yield f"`{name}`", meanings[name]
        yield from ((f"`{name}` {argument}", meaning) for argument, meaning in describe_arguments(parser))
