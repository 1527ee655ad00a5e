"""`zoomin check`: print the settings and, with --connect, reach everything that they name."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from pipeline.checkpoint import Checkpoint, CheckpointCard
from pipeline.errors import BadSettings, StoreUnavailable, TopicMissing, ZoomInError
from pipeline.sandbox.decoder import Decoder
from pipeline.sandbox.exchange import Confinement
from pipeline.vllm.runtime import check_libraries, read_vllm_version
from pipeline.wire.labels import build_tombstone_key
from worker.cli.stream import silence_kafka_logging
from worker.collect.topics import LOOPS, list_collect_topics
from worker.common.sections import KafkaSettings, StoreSettings
from worker.common.settings import Settings, build_environment_name, list_stray_names, suggest_name
from worker.kafka.client import check_group, check_headroom, check_topics
from worker.kafka.transactions import KafkaTransactions
from worker.serving.capacity import plan_kept_pixels
from worker.serving.revisions import open_revisions
from worker.storage.buckets import require_buckets
from worker.storage.image_store import ImageStore
from worker.storage.label_bucket import LabelBucket

NAME = "check"
HELP = (
    "print the resolved, redacted settings and what confines decoders; "
    "with --connect also reach broker, topics, buckets and model"
)


class Check(NamedTuple):
    """A connection that was tried, its result as a sentence, and the exit code that it asks for."""

    name: str
    result: str
    exit_code: int = 0

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--connect", action="store_true", help="reach everything that the settings name")
    parser.add_argument("--json", action="store_true", help="for programs: one object")
    parser.epilog = "example:\n  zoomin check --connect"


def run(args: argparse.Namespace) -> int:
    _warn_of_stray_names()
    settings: Settings = args.settings()
    confinement = _read_confinement()
    checks = asyncio.run(_check_connections(settings)) if args.connect else []
    if args.json:
        connections = [(check.name, check.result, check.passed) for check in checks]
        decoder = {"holding": confinement.holding, "refused": confinement.refused}
        values = settings.model_dump(mode="json")
        print(json.dumps({"settings": values, "decoder": decoder, "connections": connections}))
    else:
        _print_report(settings, confinement, checks)
    return max((check.exit_code for check in checks), default=0)


def _warn_of_stray_names() -> None:
    for name in list_stray_names():
        suggestion = suggest_name(name)
        hint = f"; did you mean {suggestion}?" if suggestion else ""
        print(f"zoomin check: warning: {name} is not a setting and is ignored{hint}", file=sys.stderr)


def _read_confinement() -> Confinement:
    """Start a decoder as the worker does, and ask it for the layers that confine it."""
    decoder = Decoder(max_pixels=1)
    try:
        return decoder.read_confinement()
    finally:
        decoder.close()


def _print_report(settings: Settings, confinement: Confinement, checks: list[Check]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    for name, value, meaning in _list_rows(settings):
        console.print(Text(f"{name}={value}"), Text(f"  # {meaning}" if meaning else "", style="dim"), sep="")
    console.print(f"decoder: confined by {', '.join(confinement.holding) or 'nothing'}", markup=False)
    for layer, refusal in confinement.refused.items():
        console.print(f"decoder: the kernel refuses {layer} ({refusal})", style="yellow", markup=False)
    for check in checks:
        mark, color = ("ok  ", "green") if check.passed else ("FAIL", "red")
        console.print(f"{mark} {check.name}: {check.result}", style=color, markup=False)


def _list_rows(settings: Settings) -> Iterator[tuple[str, str, str]]:
    for section_name in type(settings).model_fields:
        section: BaseModel = getattr(settings, section_name)
        for field, value in section.model_dump(mode="json").items():
            meaning = type(section).model_fields[field].description or ""
            text = ",".join(sorted(value)) if isinstance(value, list) else str("" if value is None else value)
            yield build_environment_name(section_name, field), text, meaning


async def _check_connections(settings: Settings) -> list[Check]:
    silence_kafka_logging()
    store = ImageStore(settings.store)
    buckets = sorted(settings.store.buckets | ({settings.sampling.bucket} - {""}))
    tries: dict[str, Callable[[], Awaitable[str]]] = {
        "model": partial(_check_model, settings),
        "engine": _check_engine,
        "kafka": partial(_check_kafka, settings.kafka),
        "collect": partial(_check_collect, settings),
        "buckets": partial(_check_names, settings.store),
        **{f"bucket {bucket}": partial(_check_bucket, store, bucket) for bucket in buckets},
    }
    if settings.sampling.bucket:
        tries["tombstones"] = partial(_check_tombstones, settings)
    try:
        return [await _run_check(name, connect) for name, connect in tries.items()]
    finally:
        store.close()


async def _run_check(name: str, connect: Callable[[], Awaitable[str]]) -> Check:
    try:
        return Check(name, await connect())
    except BadSettings as error:
        return Check(name, error.detail, exit_code=2)
    except ZoomInError as error:
        return Check(name, error.detail, exit_code=1)


async def _check_model(settings: Settings) -> str:
    name, revision, card = await asyncio.to_thread(_read_model_card, settings)
    plan_kept_pixels(settings.flow, card)
    return f"{name} {revision[:19]}, prompt {card.prompt_version}, boxes in {card.box_frame}"


def _read_model_card(settings: Settings) -> tuple[str, str, CheckpointCard]:
    """Return name, revision and card of the model; nothing else of a registry's revision is downloaded."""
    model = settings.engine.model
    if isinstance(model, Path):
        checkpoint = Checkpoint.read(model)
        return checkpoint.name, checkpoint.revision, checkpoint.card
    with open_revisions(model, settings.engine, settings.store) as revisions:
        revision = revisions.find_named()
        return model.name, revision, revisions.read_card(revision)


async def _check_engine() -> str:
    check_libraries()
    return f"vllm {read_vllm_version()}"


async def _check_kafka(settings: KafkaSettings) -> str:
    """Check topics, group and rights; with exactly-once delivery also that a transaction can be begun."""
    for check in (check_topics, check_headroom, check_group):
        await asyncio.to_thread(check, settings)
    if settings.delivery == "exactly_once" and settings.transactional_id is None:  # a fixed one may be in use
        transactions = KafkaTransactions(settings)
        try:
            await transactions.renew()
        finally:
            await transactions.close()
    return f"{settings.bootstrap_servers}, three topics to read or write, group {settings.group_id} to join"


async def _check_collect(settings: Settings) -> str:
    """Check topics, groups and rights of `zoomin collect`, which a site without reviews does not need."""
    topics = list_collect_topics(settings.kafka)
    try:
        await asyncio.to_thread(check_topics, settings.kafka, topics)
    except TopicMissing as error:
        return f"`zoomin collect` would not start: {error.detail}"
    for build in LOOPS.values():
        for check in (check_headroom, check_group):
            await asyncio.to_thread(check, build(settings))
    return f"{', '.join(use.topic for use in topics)} to read or write"


async def _check_names(settings: StoreSettings) -> str:
    require_buckets(settings)
    return ", ".join(sorted(settings.buckets))


async def _check_tombstones(settings: Settings) -> str:
    """Look for the tombstone of an image, as the worker does before it writes a case."""
    bucket = LabelBucket(settings.store, settings.sampling.bucket)
    try:
        await bucket.has_object(build_tombstone_key("0" * 64))
    finally:
        bucket.close()
    return f"can be looked for in bucket {settings.sampling.bucket}"


async def _check_bucket(store: ImageStore, bucket: str) -> str:
    problem = await store.check(bucket)
    if problem:
        raise StoreUnavailable(problem)
    return "readable"
