"""`zoomin-train models`: revisions of a model in a registry, and which of them serves."""

import argparse
import json
from typing import TYPE_CHECKING

from pipeline.errors import BadSettings
from pipeline.registry.address import ModelAddress, parse_address
from training.settings import TrainSettings

if TYPE_CHECKING:
    from rich.table import Table

    from pipeline.registry.survey import RegistryState

HELP = "show the revisions of a model in a registry, and which of them serves"
EXAMPLE = "zoomin-train models list s3://weights/models/zoomin-7b"
MEANINGS = {
    "list": "list the revisions of a model, the newest first, with the champion",
    "show": "show the champion of a model, or one revision: where it comes from, its files, its gate",
}
EXAMPLES = {
    "list": EXAMPLE,
    "show": "zoomin-train models show s3://weights/models/zoomin-7b",
}


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="models", required=True, metavar="VERB")
    _add_verb(verbs, "list").set_defaults(run_verb=_list)
    _add_verb(verbs, "show").set_defaults(run_verb=_show)


def _add_verb(verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str) -> argparse.ArgumentParser:
    meaning = MEANINGS[name]
    parser = verbs.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}.",
        epilog=f"Example: {EXAMPLES[name]}",
        allow_abbrev=False,
    )
    parser.add_argument(
        "model",
        metavar="MODEL",
        type=_parse_address,
        help="s3://bucket/models/NAME, or s3://bucket/models/NAME/revisions/sha256-... for one revision",
    )
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group("S3", "ZOOMIN_TRAIN_S3_ENDPOINT_URL, ZOOMIN_TRAIN_S3_REGION; credentials AWS_*.")
    return parser


def _parse_address(text: str) -> ModelAddress:
    try:
        return parse_address(text)
    except BadSettings as error:
        raise argparse.ArgumentTypeError(error.detail) from error


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    return int(args.run_verb(args, settings))


def _list(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.survey import survey_registry
    from training.common.model_registry import open_registry

    with open_registry(args.model, settings) as registry:
        state = survey_registry(registry)
    if args.json:
        print(json.dumps(_convert_state(state)))
    else:
        _print_table(_build_table(state))
    return 0


def _show(args: argparse.Namespace, settings: TrainSettings) -> int:
    from training.common.model_registry import open_registry

    with open_registry(args.model, settings) as registry:
        pointer = registry.read_pointer()
        champion = pointer.champion if pointer else None
        revision = args.model.revision or (champion.revision if champion else None)
        if revision is None:
            raise BadSettings(f"{args.model} has no champion yet: promote a revision of `zoomin-train models list`")
        manifest = registry.read_manifest(revision).model_dump(mode="json")
    facts = {"champion": champion.model_dump(mode="json") if champion else None, "manifest": manifest}
    print(json.dumps(facts, indent=None if args.json else 2))
    return 0


def _convert_state(state: "RegistryState") -> dict[str, object]:
    revisions = [
        {
            "revision": row.revision,
            "role": state.name_role(row.revision),
            "problem": row.problem,
            "manifest": row.manifest.model_dump(mode="json") if row.manifest else None,
        }
        for row in state.revisions
    ]
    champion = state.champion.model_dump(mode="json") if state.champion else None
    return {"champion": champion, "revisions": revisions}


def _build_table(state: "RegistryState") -> "Table":
    from rich.table import Table

    table = Table("revision", "role", "created", "by", "bytes", "parent", box=None, padding=(0, 2, 0, 0))
    for row in state.revisions:
        role = state.name_role(row.revision)
        if row.manifest is None:
            table.add_row(row.revision, role or "unfinished", "", "", "", "")
        else:
            manifest = row.manifest
            created = f"{manifest.created_at:%Y-%m-%d %H:%M}"
            size = f"{manifest.total_bytes:,}"
            table.add_row(row.revision, role, created, manifest.created_by, size, manifest.parent or "")
    return table


def _print_table(table: "Table") -> None:
    from rich.console import Console

    console = Console(markup=False, highlight=False, emoji=False)
    if not console.is_terminal:
        console.width = 240
    console.print(table)
