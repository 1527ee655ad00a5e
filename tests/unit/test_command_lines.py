"""Every whole command line of the documents and of the help texts is one that its program takes."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.paths import ROOT
from training import __main__ as training_command
from worker import __main__ as worker_command

FOLDERS = ("docs", "infra", "models", "pipeline", "requirements", "tests", "training", "worker")
WRITTEN = [*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))]
DOCUMENTS = sorted(path for path in WRITTEN if path.parent.name != "reference")  # usages, generated from the parsers
PROGRAMS = {"zoomin": worker_command, "zoomin-train": training_command}
VERBS = [(program, verb) for program, module in PROGRAMS.items() for verb in module.VERBS]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_blocks_of_a_document_hold_commands_that_parse(document: Path) -> None:
    for block in find_blocks(document.read_text()):
        for command in find_commands(block):
            parse(command)


@pytest.mark.parametrize(("program", "verb"), VERBS)
def test_examples_of_the_help_parse(program: str, verb: str) -> None:
    examples = [
        command
        for parser in list_parsers(PROGRAMS[program]._build_parser([verb]))
        for command in find_commands(re.split(r"\b[Ee]xamples?:", parser.epilog or "")[-1])
    ]
    assert examples, f"{program} {verb} --help has no example"
    for command in examples:
        parse(command)


def test_commands_are_found_behind_variables_over_lines_and_in_pipes() -> None:
    block = """
    $ A_B=c zoomin check --connect  # a comment
    zoomin-train labels push s3://labels \\
        --project P && echo "zoomin up" > file
    cat letters | zoomin events - --json | head
    it's no command
    """
    assert list(find_commands(block)) == [
        ["zoomin", "check", "--connect"],
        ["zoomin-train", "labels", "push", "s3://labels", "--project", "P"],
        ["zoomin", "events", "-", "--json"],
    ]


@pytest.mark.parametrize("line", ["zoomin tail --no-such-option", "zoomin-train labels push", "zoomin no-such-verb"])
def test_a_stale_command_is_found(line: str) -> None:
    with pytest.raises(AssertionError, match=line):
        parse(line.split())


def find_blocks(text: str) -> Iterator[str]:
    """Yield fenced and indented blocks: whole commands stand there; prose may name a part of one."""
    fenced = r"^ *```\w*\n(.*?)^ *```"
    yield from re.findall(fenced, text, re.MULTILINE | re.DOTALL)
    prose = re.sub(fenced, "", text, flags=re.MULTILINE | re.DOTALL)
    yield "\n".join(re.findall(r"^ {4}(.*)$", prose, re.MULTILINE))


def find_commands(block: str) -> Iterator[list[str]]:
    """Yield the words of each command of ours in a block of shell lines; a digest may be cut, as `sha256:4f0c...`."""
    block = re.sub(r"\b(sha256[:-])([0-9a-f]*)\.\.\.", lambda cut: f"{cut[1]}{cut[2]:0<64}", block)
    for line in re.sub(r"\\\n\s*", " ", block).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # an apostrophe: not a line for the shell
            continue
        command: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("|&;<>()"):
                if command and command[0] in PROGRAMS:
                    yield command
                command = []
            elif command or not re.match(r"\$$|[A-Z][A-Z0-9_]*=", word):
                command.append(word)


def parse(command: list[str]) -> None:
    """Fail with the command line if its program's own parser refuses it."""
    program, *arguments = command
    try:
        PROGRAMS[program]._build_parser(arguments).parse_args(arguments)
    except SystemExit as refusal:
        raise AssertionError(f"{' '.join(command)} is refused: see the captured stderr") from refusal


def list_parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from list_parsers(below)
