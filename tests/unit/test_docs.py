"""The documents name only what exists: links, files, settings, commands, make targets, metrics and error codes."""

import argparse
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from prometheus_client import Metric

from pipeline import errors
from pipeline.wire import messages
from pipeline.wire.messages import VerdictEvent
from tests.support.paths import ROOT
from tests.support.reference.events import MEANINGS
from tests.support.reference.pages import PAGES
from training import __main__ as training_command
from training import settings as training_settings
from training.estimates.textfile import EstimateMetrics
from worker import __main__ as worker_command
from worker.breaker import OUR_FAULT
from worker.common import settings
from worker.observe import telemetry

FOLDERS = ("docs", "infra", "models", "pipeline", "requirements", "tests", "training", "worker")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.md"))])
DOCS = ROOT / "docs"
KINDS = ("tutorial", "how-to", "reference", "explanation")
DECISIONS = sorted((DOCS / "decisions").glob("0*.md"))
RUNBOOK = (DOCS / "runbook.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()
LINE_LENGTH = 120
VARIABLES = {
    settings.build_environment_name(section, field)
    for section, info in settings.Settings.model_fields.items()
    for field in getattr(info.annotation, "model_fields", {})
} | {f"{training_settings.PREFIX}{field}".upper() for field in training_settings.TrainSettings.model_fields}
PROGRAMS = {
    "zoomin": (lambda verb: importlib.import_module(f"worker.commands.{verb}"), worker_command.VERBS),
    "zoomin-train": (training_command.import_verb, training_command.VERBS),
}
NEVER_RAISED = {
    errors.ZoomInError,
    errors.TransientError,
    errors.OutageError,
    errors.PoisonError,
    errors.FatalError,
    errors.PersistentRefusal,  # has the code of the error that it wraps
}

for_every_document = pytest.mark.parametrize(
    "document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix() if isinstance(path, Path) else None
)


@for_every_document
class TestDocument:
    def test_its_links_resolve(self, document: Path) -> None:
        text = re.sub(r"`[^`\n]*`", "", document.read_text())
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if target.startswith(("http://", "https://")):
                continue
            file, _, anchor = target.partition("#")
            path = (document.parent / file) if file else document
            assert path.exists(), f"{document.name}: {target}"
            if anchor:
                assert anchor in find_anchors(path), f"{document.name}: {target}"

    def test_files_that_it_names_exist(self, document: Path) -> None:
        words = (word.strip(".,;:()") for code in find_code(document) for word in code.split())
        paths = {word for word in words if word.startswith(tuple(f"{folder}/" for folder in FOLDERS))}
        concrete = {path for path in paths if re.fullmatch(r"[\w./-]+", path)}
        missing = [path for path in sorted(concrete) if not (ROOT / path).exists()]
        assert not missing

    def test_settings_that_it_names_exist(self, document: Path) -> None:
        named = re.findall(
            r"ZOOMIN_[A-Z0-9]+__[A-Z0-9_]*[A-Z0-9]|ZOOMIN_TRAIN_[A-Z0-9_]*[A-Z0-9]", document.read_text()
        )
        assert set(named) <= VARIABLES

    def test_commands_that_it_names_take_their_options(self, document: Path) -> None:
        for program, verbs, options in find_commands(document):
            known = set().union(*(find_options(program, verb) for verb in verbs))
            assert options <= known, f"{program} {' '.join(verbs)}: {options - known}"

    def test_make_targets_that_it_names_exist(self, document: Path) -> None:
        for code in find_code(document):
            for target, variables in re.findall(r"^make ([a-z-]+)((?: [A-Z]+=)?[^\n#]*)", code, re.MULTILINE):
                assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"make {target}"
                for name in re.findall(r"\b([A-Z]+)=", variables):
                    assert f"$({name})" in MAKEFILE or f"$(or $({name})" in MAKEFILE, f"make {target} {name}="


def find_code(document: Path) -> Iterator[str]:
    """Yield inline code, indented blocks and fenced blocks."""
    text = document.read_text()
    yield from re.findall(r"^```\w*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^```\w*\n.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    yield from (line.strip() for line in re.findall(r"^ {4}(.*)$", prose, re.MULTILINE))
    yield from (" ".join(span.split()) for span in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose))


def find_commands(document: Path) -> Iterator[tuple[str, list[str], set[str]]]:
    """Yield program, verbs and options of each command; several verbs are written with commas between them."""
    for code in find_code(document):
        for part in re.split(r"&&|[;|>#\n]| \$\(", code):
            words = re.sub(r"[\[\]']", "", part).split()
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            if len(words) < 2 or words[0] not in PROGRAMS or not re.match(r"[a-z]", words[1]):
                continue
            program, verbs = words[0], [words[1].rstrip(",")]
            count = 2
            while words[count - 1].endswith(",") and count < len(words):
                verbs.append(words[count].rstrip(","))
                count += 1
            yield program, verbs, {word.partition("=")[0] for word in words[count:] if word.startswith("--")}


@cache
def find_options(program: str, verb: str) -> frozenset[str]:
    import_verb, verbs = PROGRAMS[program]
    assert verb in verbs, f"{program} {verb}"
    parser = argparse.ArgumentParser()
    import_verb(verb).configure(parser)
    return frozenset(_list_options(parser))


def _list_options(parser: argparse.ArgumentParser) -> Iterator[str]:
    for action in parser._actions:
        yield from action.option_strings
        if isinstance(action, argparse._SubParsersAction):  # verbs of a verb
            for below in action.choices.values():
                yield from _list_options(below)


@cache
def find_anchors(path: Path) -> frozenset[str]:
    """Return the anchors of a page as its readers' programs build them from the headings."""
    headings = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_reference_is_current(name: str) -> None:
    page = DOCS / "reference" / name
    assert page.is_file(), "run `make docs`"
    assert page.read_text() == PAGES[name](), "run `make docs`"


def test_every_page_of_the_reference_is_generated() -> None:
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(PAGES)


def test_every_meaning_belongs_to_a_field() -> None:
    fields = {message.__name__: set(message.model_fields) for message in messages.Message.__subclasses__()}
    assert not [name for name, meanings in MEANINGS.items() if not set(meanings) <= fields.get(name, set())]


def test_a_verdict_of_one_query_or_of_annotators_is_not_the_final_one() -> None:
    meanings = [MEANINGS[name]["verdict"] for name in ("VerdictEvent", "ScanEvidence", "CheckEvidence", "Label")]
    assert len(set(meanings)) == 4


def test_the_index_names_every_page() -> None:
    index = (DOCS / "README.md").read_text()
    pages = [page.relative_to(DOCS).as_posix() for kind in KINDS for page in (DOCS / kind).rglob("*.md")]
    assert not [page for page in pages if f"]({page})" not in index]


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("add-*.md")), ids=lambda path: path.stem)
def test_a_guide_for_changes_names_test_and_check(page: Path) -> None:
    text = " ".join(page.read_text().split())
    assert "test fails first" in text
    assert "Check: " in text


def test_lines_of_prose_fit_a_screen() -> None:
    prose = [*ROOT.glob("*.md"), *(path for path in DOCS.rglob("*.md") if path.parent.name != "reference")]
    for path in prose:
        for number, line in enumerate(path.read_text().splitlines(), start=1):
            is_free = line.startswith(("|", "![", "    ", "- [", "`"))
            assert is_free or len(line) <= LINE_LENGTH, f"{path.name}:{number}"


class TestRunbook:
    """Every name in backticks is a metric, a log event, an error code, a setting, a path or a command."""

    NAMES = frozenset(" ".join(name.split()) for name in re.findall(r"`([^`]+)`", RUNBOOK))

    def test_every_name_that_is_no_command_exists(self) -> None:
        registries = (telemetry.Metrics().registry, EstimateMetrics().registry)
        metrics = {name for registry in registries for family in registry.collect() for name in list_names(family)}
        log_events = {value for name, value in vars(telemetry).items() if name.isupper() and isinstance(value, str)}
        paths = {"/livez", "/readyz", "/metrics"}
        fields = set(VerdictEvent.model_fields)
        known = metrics | log_events | VARIABLES | paths | fields | find_error_codes(errors.ZoomInError)
        assert {name for name in self.NAMES if not name.startswith(("zoomin ", "zoomin-train ", "make "))} <= known

    def test_every_code_of_a_dead_letter_is_explained(self) -> None:
        rows = re.findall(r"^\| `([a-z_]+)` \|", RUNBOOK, re.MULTILINE)
        own = find_error_codes(errors.TransientError) | find_error_codes(errors.PoisonError)
        # AccessDenied becomes image_denied; BrokerUnavailable never becomes a dead letter.
        waits = find_error_codes(errors.AccessDenied) | find_error_codes(errors.BrokerUnavailable)
        refusals = find_error_codes(errors.OutageError) - waits
        assert sorted(rows) == sorted(own | refusals)
        assert set(rows[-len(OUR_FAULT) :]) == OUR_FAULT, "the text says that these stop the worker"


def list_names(family: Metric) -> Iterator[str]:
    """Yield a metric's name as it is on /metrics and as queries spell it."""
    yield family.name
    yield family.name + {"counter": "_total"}.get(family.type, "")


def find_error_codes(kind: type[errors.ZoomInError]) -> set[str]:
    """Return the codes of `kind` and all errors below it that the worker raises."""
    ours = [below for below in kind.__subclasses__() if below.__module__ == errors.__name__]
    codes = set().union(*map(find_error_codes, ours))
    return codes if kind in NEVER_RAISED else codes | {kind("").code}


@pytest.mark.parametrize("record", DECISIONS, ids=lambda path: path.stem)
class TestDecisions:
    def test_it_has_all_its_parts(self, record: Path) -> None:
        text = record.read_text()
        assert text.startswith(f"# {record.name[:4]} ")
        assert re.search(r"^Date: 20\d\d-\d\d-\d\d.*\. Status: ", text, re.MULTILINE)
        for part in ("**Context.**", "**Decision.**", "**Costs.**", "**What would change our mind.**"):
            assert part in text, f"{record.name} lacks {part}"

    def test_the_index_has_its_title_and_date(self, record: Path) -> None:
        title, _, dated = record.read_text().split("\n")[:3]
        date = dated.removeprefix("Date: ")[:10]
        row = f"| [{record.name[:4]}]({record.name}) | {date} | {title[7:]} |"
        assert row in (DOCS / "decisions" / "README.md").read_text().splitlines()


def test_decisions_are_numbered_without_gaps() -> None:
    assert [int(record.name[:4]) for record in DECISIONS] == list(range(1, len(DECISIONS) + 1))
