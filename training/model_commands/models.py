"""`zoomin-train models`: revisions of a model in a registry, and which of them serves."""

import argparse
import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.errors import BadSettings
from pipeline.times import parse_time
from training.cli.numbers import parse_natural
from training.cli.registry_arguments import (
    build_text_type,
    name_user,
    parse_model,
    parse_revision,
    parse_smoke,
)
from training.settings import TrainSettings

if TYPE_CHECKING:
    from pipeline.registry.champion import Champion

HELP = "push checkpoints to a model registry, and change which of them serves"
EXAMPLE = "zoomin-train models push s3://weights/models/zoomin-7b build/model"
MEANINGS = {
    "list": "list the revisions of a model, the newest first, with the champion",
    "show": "show the champion of a model with its history, or one revision with its origin and files",
    "push": "push a checkpoint as a revision; run again, it goes on where a killed one stopped",
    "promote": "make a revision the champion: workers that follow the model change to it",
    "rollback": "return to the champion before; again, and it goes one further back",
    "prune": "delete old revisions; champion, previous, newest, named, and their parents stay",
}
_MODEL = "s3://weights/models/zoomin-7b"
EXAMPLES = {
    "list": f"zoomin-train models list {_MODEL}",
    "show": f"zoomin-train models show {_MODEL}",
    "push": f"{EXAMPLE} --smoke generated=fake.png",
    "promote": f"zoomin-train models promote {_MODEL}/revisions/sha256-... --reason 'passed the gate'",
    "rollback": f"zoomin-train models rollback {_MODEL} --reason 'flags photographs of food'",
    "prune": f"zoomin-train models prune {_MODEL} --newest 10 --dry-run",
}
_parse_reason, _parse_name = build_text_type(2000), build_text_type(256)


def configure(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(dest="models", required=True, metavar="VERB")
    _add_verb(verbs, "list").set_defaults(run_verb=_list)
    _add_verb(verbs, "show", pinned="or one revision of it").set_defaults(run_verb=_show)
    _add_push(_add_verb(verbs, "push"))
    promote = _add_verb(verbs, "promote", pinned="with the revision")
    promote.set_defaults(run_verb=_promote)
    promote.add_argument("--despite-gate", action="store_true", help="also a revision that its gate refused")
    rollback = _add_verb(verbs, "rollback", pinned="or with the revision to take back, if it is still the champion")
    rollback.set_defaults(run_verb=_rollback)
    for change in (promote, rollback):
        change.add_argument("--reason", required=True, type=_parse_reason, metavar="TEXT", help="kept in the history")
        change.add_argument("--by", type=_parse_name, metavar="NAME", help="kept in the history (default: user@host)")
    _add_prune(_add_verb(verbs, "prune"))


def _add_push(push: argparse.ArgumentParser) -> None:
    push.set_defaults(run_verb=_push)
    push.add_argument("directory", type=Path, metavar="DIR", help="the checkpoint")
    push.add_argument(
        "--smoke",
        action="append",
        default=[],
        type=parse_smoke,
        metavar="VERDICT=FILE",
        help="an image, and what the checkpoint says of it: workers ask before they serve it; may be repeated",
    )
    push.add_argument("--parent", type=parse_revision, metavar="sha256-...", help="the revision it was trained from")
    push.add_argument("--set", metavar="DIGEST", help="the labeled set it was trained on (default: as its card says)")
    push.add_argument("--gate", type=Path, metavar="FILE", help="the last line of `zoomin-train gate --json`")
    push.add_argument("--by", type=_parse_name, metavar="NAME", help="who pushes (default: user@host)")


def _add_prune(prune: argparse.ArgumentParser) -> None:
    prune.set_defaults(run_verb=_prune)
    prune.add_argument("--newest", type=parse_natural, default=5, metavar="N", help="that many stay (default 5)")
    prune.add_argument("--after", type=parse_time, metavar="T", help="those pushed since 30d ago, or an ISO time, stay")
    prune.add_argument(
        "--keep",
        action="append",
        default=[],
        type=parse_revision,
        metavar="sha256-...",
        help="this one stays, as workers are pinned to it; may be repeated",
    )
    prune.add_argument("--dry-run", action="store_true", help="only show what would be deleted")


def _add_verb(
    verbs: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, *, pinned: str = ""
) -> argparse.ArgumentParser:
    meaning = MEANINGS[name]
    parser = verbs.add_parser(
        name,
        help=meaning,
        description=f"{meaning[0].upper()}{meaning[1:]}.",
        epilog=f"Example: {EXAMPLES[name]}",
        allow_abbrev=False,
    )
    text = f"s3://bucket/models/NAME, {pinned}: .../revisions/sha256-..." if pinned else "s3://bucket/models/NAME"
    parser.add_argument("model", metavar="MODEL", type=parse_model, help=text)
    parser.add_argument("--json", action="store_true", help="the last line is one JSON object")
    parser.add_argument_group("S3", "ZOOMIN_TRAIN_S3_ENDPOINT_URL, ZOOMIN_TRAIN_S3_REGION; credentials AWS_*.")
    return parser


def run(args: argparse.Namespace, settings: TrainSettings) -> int:
    if args.model.revision and args.models in ("list", "push", "prune"):
        raise BadSettings(f"`models {args.models}` is about a whole model: {EXAMPLES[args.models]}")
    if not args.model.revision and args.models == "promote":
        raise BadSettings(f"say which revision of {args.model} (`zoomin-train models list {args.model}` has them)")
    return int(args.run_verb(args, settings))


def _list(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.survey import survey_registry
    from training.cli.revision_tables import build_state_table, convert_state, print_tables
    from training.common.model_registry import open_registry

    with open_registry(args.model, settings) as registry:
        state = survey_registry(registry)
    if args.json:
        print(json.dumps(convert_state(state)))
    elif state.revisions:
        print_tables(build_state_table(state))
    else:
        print(f"{args.model} has no revisions: push one with `{EXAMPLES['push']}`")
    return 0


def _show(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.promotion import read_history
    from training.cli.revision_tables import build_history_table, build_manifest_table, convert_champion, print_tables
    from training.common.model_registry import open_registry

    with open_registry(args.model, settings) as registry:
        history = read_history(registry)
        if not history and not args.model.revision:
            raise BadSettings(f"{args.model} has no champion yet: promote a revision of `zoomin-train models list`")
        manifest = registry.read_manifest(args.model.revision or history[0].revision)
    if args.json:
        changes = [convert_champion(champion) for champion in history]
        print(json.dumps({"history": changes, "manifest": manifest.model_dump(mode="json")}))
    else:
        print_tables(build_manifest_table(manifest), build_history_table(history))
    return 0


def _push(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.checkpoint import CARD_NAME, read_card
    from pipeline.registry.push import SmokeImage, push_revision
    from training.common.model_registry import open_registry

    now = datetime.now(UTC)
    with open_registry(args.model, settings) as registry:
        manifest = push_revision(
            registry,
            args.directory,
            parent=args.parent,
            data_digest=args.set or read_card(args.directory / CARD_NAME).trained_on,
            gate=_read_gate(args.gate) if args.gate else None,
            smoke=[SmokeImage(path, verdict) for verdict, path in args.smoke],
            created_by=args.by or name_user(),
            now=now,
            notify=_notify,
        )
    address = replace(args.model, revision=manifest.revision)
    was_there = manifest.created_at != now
    if args.json:
        print(json.dumps({"address": str(address), "was_there": was_there, **manifest.model_dump(mode="json")}))
    else:
        print(f"{address}\n{manifest.total_bytes:,} bytes, {'there already' if was_there else 'pushed'}")
    return 0


def _promote(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.promotion import promote
    from training.common.model_registry import open_registry

    now, by = datetime.now(UTC), args.by or name_user()
    with open_registry(args.model, settings) as registry:
        gate = registry.read_manifest(args.model.revision).gate
        if gate is not None and not gate.get("passed") and not args.despite_gate:
            raise BadSettings(
                f"{args.model} was refused by its gate (`zoomin-train models show` has the table): "
                "promote it with --despite-gate if you must"
            )
        champion = promote(registry, args.model.revision, by=by, reason=args.reason, now=now)
    _show_change(
        args, champion, f"{champion.revision} is the champion" + ("" if champion.promoted_at == now else " already")
    )
    return 0


def _rollback(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.promotion import ANY, rollback
    from training.common.model_registry import open_registry

    with open_registry(args.model, settings) as registry:
        champion = rollback(
            registry,
            by=args.by or name_user(),
            reason=args.reason,
            now=datetime.now(UTC),
            expected=args.model.revision or ANY,
        )
    further = f"goes to {champion.previous}" if champion.previous else "is not possible"
    _show_change(
        args,
        champion,
        f"{champion.revision} is the champion again; another rollback {further}. The verdicts of what was taken back "
        f"stay until `zoomin rejudge --revision {champion.rolled_back}`",
    )
    return 0


def _prune(args: argparse.Namespace, settings: TrainSettings) -> int:
    from pipeline.registry.pruning import PrunePolicy, prune_revisions
    from training.common.model_registry import open_registry

    policy = PrunePolicy(args.newest, args.after, frozenset(args.keep))
    with open_registry(args.model, settings) as registry:
        plan = prune_revisions(registry, policy, now=datetime.now(UTC), dry_run=args.dry_run, notify=_notify)
    if args.json:
        print(json.dumps({"kept": plan.kept, "deleted": plan.deleted, "dry_run": args.dry_run}))
        return 0
    for revision, reason in plan.kept.items():
        print(f"{revision} stays: {reason}")
    for revision in plan.deleted:
        print(f"{revision} {'would be deleted' if args.dry_run else 'is deleted'}")
    return 0


def _read_gate(path: Path) -> dict[str, Any]:
    """Read the table of a gate, the last line of what the gate printed."""
    lines = path.read_text().strip().splitlines()
    try:
        table = json.loads(lines[-1] if lines else "")
    except ValueError:
        table = None
    if not isinstance(table, dict) or "passed" not in table:
        raise BadSettings(f"{path} has no table of a gate: write the output of `zoomin-train gate --json` to it")
    return table


def _show_change(args: argparse.Namespace, champion: "Champion", sentence: str) -> None:
    print(champion.model_dump_json() if args.json else sentence)


def _notify(sentence: str) -> None:
    print(f"zoomin-train models: {sentence}", file=sys.stderr, flush=True)
