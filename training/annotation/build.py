"""MagniFake: labeled images in, (I, E, B, C) tuples out, by explanation, spatial grounding and purification.

Files are framed in processes, one image each; then at most `concurrency` images are open at once, each from its
file to its tuple. Nothing is dropped without a reason that the dataset card counts.
Source: paper section 3.2.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pipeline.checkpoint import BoxFrame
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.annotation import journal
from training.annotation.annotator import Annotated, Annotator
from training.annotation.endpoint import Endpoint, Spent, VisionChat
from training.annotation.journal import Journal
from training.annotation.purification import Fate
from training.common.progress import Progress
from training.common.spread import over_processes
from training.dataset import duplicates, faults, frame, sources, splits, tuples
from training.dataset.frame import Framed
from training.dataset.sources import LabeledImage
from training.dataset.splits import Member
from training.dataset.tuples import LeftOut, Split, Tuple

DUPLICATE = "duplicate"


@dataclass(frozen=True, slots=True)
class Plan:
    """What to build from what. `labels_only` asks nobody: the set has labels, and what else its source gives."""

    source: Path
    out: Path
    explain: Endpoint | None
    ground: Endpoint | None
    labels_only: bool
    box_frame: BoxFrame
    seed: int
    least_per_class: int
    workers: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Built:
    """What the dataset card tells of a build."""

    tuples: list[Tuple]
    left_out: list[LeftOut]
    fates: Counter[Fate]
    spent: dict[str, Spent] = field(default_factory=dict)


def build(plan: Plan) -> Built:
    """The finished set below `plan.out`; its card is not written here.

    Raises: BadSettings for a source that cannot be read or a set that cannot be trained on; EndpointDead.
    """
    framed, left_out = frame_all(plan)
    kept, repeated = without_repeats(framed)
    left_out += repeated
    tuples.write_left_out(plan.out, left_out)
    refuse_unfit(Counter(one.image.label for one in kept), plan.least_per_class, left_out)
    with Journal(plan.out / journal.NAME) as answers:
        annotated, failed, spent = asyncio.run(annotate_all(plan, kept, answers))
    left_out += failed
    kept = [one for one in kept if one.sha256 in annotated]
    tuples.write_left_out(plan.out, left_out)
    refuse_unfit(Counter(one.image.label for one in kept), plan.least_per_class, left_out)
    built = _tuples(kept, annotated, plan.seed)
    refuse_empty_split(built)
    tuples.write(plan.out, built)
    _sweep(plan.out, {one.sha256 for one in built})
    fates = sum((annotated[one.sha256].fates for one in kept), Counter[Fate]())
    return Built(built, left_out, fates, spent)


def frame_all(plan: Plan) -> tuple[list[Framed], list[LeftOut]]:
    """Every file of the source, framed and on disk, or left out."""
    if plan.out.resolve().is_relative_to(plan.source.resolve()):
        raise BadSettings(f"{plan.out} lies in {plan.source}, whose images are read; choose another --out")
    listed = list(sources.listed(plan.source))
    images = [one for one in listed if not isinstance(one, LeftOut)]
    left_out = [one for one in listed if isinstance(one, LeftOut)]
    if not images:
        raise BadSettings(f"no labeled image in {plan.source}; put them into folders real and generated")
    _refuse_unasked(plan, images)
    plan.out.mkdir(parents=True, exist_ok=True)
    progress = Progress("framing", len(images))
    bring = partial(frame.confined, plan.out)
    done = over_processes(bring, images, min(plan.workers, len(images)), after_each=progress.show)
    left_out += [one for one in done if isinstance(one, LeftOut)]
    return [one for one in done if isinstance(one, Framed)], left_out


def _refuse_unasked(plan: Plan, images: Sequence[LabeledImage]) -> None:
    """Raises: BadSettings when somebody has to explain or ground an image, and nobody is there to be asked."""
    if plan.labels_only:
        return
    unexplained = sum(not one.explanation for one in images)
    ungrounded = sum(not one.boxes for one in images)
    for lacking, what, endpoint, role in (
        (unexplained, "explanation", plan.explain, "EXPLAIN"),
        (ungrounded, "boxes", plan.ground, "GROUND"),
    ):
        if lacking and endpoint is None:
            raise BadSettings(
                f"{lacking} images come without {what}: set ZOOMIN_TRAIN_{role}_URL and _MODEL, or add --labels-only"
            )


def without_repeats(framed: Sequence[Framed]) -> tuple[list[Framed], list[LeftOut]]:
    """One of each digest; none where its labels contradict each other."""
    by_digest: dict[str, list[Framed]] = defaultdict(list)
    for one in framed:
        by_digest[one.sha256].append(one)
    kept: list[Framed] = []
    left_out: list[LeftOut] = []
    for same in by_digest.values():
        first, *others = same
        if len({one.image.label for one in same}) > 1:
            names = ", ".join(f"{one.image.name} ({one.image.label})" for one in same)
            left_out += [LeftOut(one.image.name, faults.MIXED_LABELS, f"one picture: {names}") for one in same]
            continue
        kept.append(first)
        left_out += [LeftOut(one.image.name, DUPLICATE, f"the same picture as {first.image.name}") for one in others]
    return kept, left_out


def refuse_unfit(counts: Counter[Verdict], least: int, left_out: Sequence[LeftOut]) -> None:
    """Raises: BadSettings, with the counts, for a set that is too small or too one-sided to train on."""
    shown = ", ".join(f"{counts[label]} {label}" for label in Verdict)
    without = "; ".join(f"{n} {reason}" for reason, n in tuples.reasons(left_out).items())
    note = f" (left out: {without or 'none'})"
    if min(counts[label] for label in Verdict) < least:
        raise BadSettings(f"too few images to train on: {shown}{note}; each class needs {least}, or set --least")
    faults.refuse_one_sided(counts, note)


def refuse_empty_split(built: Sequence[Tuple]) -> None:
    """Raises: BadSettings where near-duplicates, which stay together, leave a split without one of the classes."""
    counts = Counter((one.split, one.label) for one in built)
    if any(not counts[split, label] for split in Split for label in Verdict):
        shown = "; ".join(f"{split}: " + ", ".join(f"{counts[split, v]} {v}" for v in Verdict) for split in Split)
        raise BadSettings(
            f"too few different images to split: {shown}; near-duplicates and images of one origin stay in one split"
        )


async def annotate_all(
    plan: Plan, kept: Sequence[Framed], answers: Journal
) -> tuple[dict[str, Annotated], list[LeftOut], dict[str, Spent]]:
    """Annotations by digest, the images whose endpoints failed them, and what each endpoint was asked for."""
    async with AsyncExitStack() as stack:
        asked = {"explain": plan.explain, "ground": plan.ground}
        chats = {
            role: await stack.enter_async_context(VisionChat(endpoint, answers))
            for role, endpoint in asked.items()
            if endpoint
        }
        annotator = Annotator(plan.out, chats.get("explain"), chats.get("ground"), box_frame=plan.box_frame)
        progress = Progress("annotating", len(kept))
        annotated: dict[str, Annotated] = {}
        failed: list[LeftOut] = []
        waiting = iter(kept)

        async def take_on() -> None:
            for one in waiting:
                result = await annotator.annotate(one)
                if isinstance(result, LeftOut):
                    failed.append(result)
                else:
                    annotated[one.sha256] = result
                progress.show(len(annotated) + len(failed), _spent_so_far(chats.values()))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(plan.concurrency):
                    group.create_task(take_on())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    return annotated, failed, {role: chat.spent for role, chat in chats.items()}


def _spent_so_far(chats: Iterable[VisionChat]) -> str:
    spent = [chat.spent for chat in chats]
    if not spent:
        return ""
    tokens = sum(one.prompt_tokens + one.answer_tokens for one in spent)
    return (
        f"{sum(one.requests for one in spent):,} requests, {tokens:,} tokens, {sum(one.usd for one in spent):.2f} USD"
    )


def _tuples(kept: Sequence[Framed], annotated: Mapping[str, Annotated], seed: int) -> list[Tuple]:
    groups = duplicates.groups([one.fingerprint for one in kept], [one.image.origin for one in kept])
    members = [Member(one.sha256, one.image.label, group) for one, group in zip(kept, groups, strict=True)]
    chosen = splits.assigned(members, seed=seed)
    return [
        Tuple(
            sha256=one.sha256,
            label=one.image.label,
            split=split,
            group=kept[group].sha256,
            explanation=annotated[one.sha256].explanation,
            boxes=tuple(region.box for region in annotated[one.sha256].regions),
            shown=tuple(region.shown for region in annotated[one.sha256].regions),
            annotated_by=annotated[one.sha256].by,
            source=one.image.source,
            source_file=one.image.name,
            source_sha256=one.source_sha256,
            source_format=one.source_format,
            source_size_px=one.source_size_px,
            source_bytes=one.source_bytes,
            perceptual_hash=one.fingerprint.upright,
        )
        for one, group, split in zip(kept, groups, chosen, strict=True)
    ]


def _sweep(out: Path, kept: set[str]) -> None:
    """Away with images that are in no tuple: left out in this build, or of an earlier one."""
    for path in (out / "images").glob("??/*"):
        if path.stem not in kept:
            path.unlink()
