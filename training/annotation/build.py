"""Build MagniFake: frame, explain, ground and purify labeled images, and write them as a set with splits.

Files are framed first; then at most `concurrency` images are annotated at once.
Every image that is left out has a reason, which the dataset card counts.
Source: paper section 3.2.
"""

import asyncio
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.checkpoint import BoxFrame
from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from training.annotation import disk_room, framing
from training.annotation.annotator import Annotation, Annotator
from training.annotation.endpoint import Endpoint, Spent, VisionChat
from training.annotation.purification import Fate
from training.common.journal import Journal
from training.common.progress import Progress
from training.dataset import duplicates, faults, manifest, old_sets, sources, splits
from training.dataset.frame import FramedImage, FrameOptions, locate_frame
from training.dataset.labeled_image import Explanations, LabeledImage
from training.dataset.left_out import LeftOut, write_left_out

JOURNAL = "journal.jsonl"


@dataclass(frozen=True, slots=True)
class BuildPlan:
    """The options of a build. With `labels_only` no endpoint is asked: the set has what its source gives."""

    source: Path
    out: Path
    explain: Endpoint | None
    ground: Endpoint | None
    labels_only: bool
    framing: FrameOptions
    box_frame: BoxFrame
    seed: int
    least_per_class: int
    workers: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class Built:
    """The result of a build, from which the dataset card is made."""

    images: list[LabeledImage]
    left_out: list[LeftOut]
    fates: Counter[Fate]
    framing: FrameOptions
    spent: dict[str, Spent] = field(default_factory=dict)


def build(plan: BuildPlan) -> Built:
    """Build the set below `plan.out`, without its dataset card.

    Raises: BadSettings for a source that cannot be read or a set that cannot be trained on; EndpointDead.
    """
    framed, left_out = frame_all(plan)
    write_left_out(plan.out, left_out)
    faults.refuse_few(Counter(frame.image.label for frame in framed), plan.least_per_class, left_out)
    with Journal(plan.out / JOURNAL) as answers:
        annotated, failed, spent = asyncio.run(annotate_all(plan, framed, answers))
    left_out += failed
    framed = [frame for frame in framed if frame.provenance.sha256 in annotated]
    write_left_out(plan.out, left_out)
    faults.refuse_few(Counter(frame.image.label for frame in framed), plan.least_per_class, left_out)
    images = _build_images(framed, annotated, plan.seed)
    refuse_empty_split(images)
    manifest.write_manifest(plan.out, sorted(images, key=lambda image: image.file))
    (plan.out / old_sets.NAME).unlink(missing_ok=True)
    _delete_others(plan.out, {image.require_provenance().sha256 for image in images})
    fates = sum((annotated[frame.provenance.sha256].fates for frame in framed), Counter[Fate]())
    return Built(images, left_out, fates, plan.framing, spent)


def frame_all(plan: BuildPlan) -> tuple[list[FramedImage], list[LeftOut]]:
    """Frame every image of the source and write it to disk, or say why it is left out."""
    if plan.out.resolve().is_relative_to(plan.source.resolve()):
        raise BadSettings(f"{plan.out} lies in {plan.source}, whose images are read; choose another --out")
    listed = list(sources.list_images(plan.source))
    images = [image for image in listed if not isinstance(image, LeftOut)]
    left_out = [image for image in listed if isinstance(image, LeftOut)]
    refuse_source(plan, images)
    _refuse_full_disk(plan, images)
    plan.out.mkdir(parents=True, exist_ok=True)
    framed, unusable = framing.frame_images(plan.source, plan.out, images, plan.framing, workers=plan.workers)
    return framed, left_out + unusable


def _refuse_full_disk(plan: BuildPlan, images: Sequence[LabeledImage]) -> None:
    """Print the estimated size of the set, and refuse one that its disk has no room for. Raises: BadSettings."""
    size = disk_room.estimate_set_size(plan.source, images, plan.framing, workers=plan.workers)
    if size:
        print(f"{plan.out} will take {size}", file=sys.stderr)
        disk_room.refuse_full_disk(size, plan.out, plan.framing)


def refuse_source(plan: BuildPlan, images: Sequence[LabeledImage]) -> None:
    """Refuse a source that has too few labeled images, or that needs an endpoint which is not set.

    Raises: BadSettings.
    """
    if not images:
        raise BadSettings(f"no labeled image in {plan.source}; put them into folders real and generated")
    faults.refuse_few(Counter(image.label for image in images), plan.least_per_class)
    refuse_missing_endpoints(plan, images)


def refuse_missing_endpoints(plan: BuildPlan, images: Sequence[LabeledImage]) -> None:
    """Refuse a build that needs an endpoint which is not set. Raises: BadSettings."""
    if plan.labels_only:
        return
    unexplained = sum(not image.explanation for image in images)
    ungrounded = sum(image.boxes is None for image in images)
    for lacking, what, endpoint, role in (
        (unexplained, "explanation", plan.explain, "EXPLAIN"),
        (ungrounded, "boxes", plan.ground, "GROUND"),
    ):
        if lacking and endpoint is None:
            raise BadSettings(
                f"{lacking} images come without {what}: set ZOOMIN_TRAIN_{role}_URL and _MODEL, or add --labels-only"
            )


def refuse_empty_split(images: Sequence[LabeledImage]) -> None:
    """Refuse a set with a split that lacks one of the classes, because near-duplicates stay together.

    Raises: BadSettings with the counts.
    """
    counts = Counter((image.split, image.label) for image in images)
    if any(not counts[split, label] for split in splits.SHARES for label in Verdict):
        by_split = "; ".join(
            f"{split}: " + ", ".join(f"{counts[split, v]} {v}" for v in Verdict) for split in splits.SHARES
        )
        raise BadSettings(
            f"too few different images to split: {by_split}; near-duplicates and images of one origin stay in one split"
        )


async def annotate_all(
    plan: BuildPlan, framed: Sequence[FramedImage], answers: Journal
) -> tuple[dict[str, Annotation], list[LeftOut], dict[str, Spent]]:
    """Return annotations by digest, images that endpoints failed, and the usage of each endpoint."""
    async with AsyncExitStack() as stack:
        endpoints = {"explain": plan.explain, "ground": plan.ground}
        chats = {
            role: await stack.enter_async_context(VisionChat(endpoint, answers))
            for role, endpoint in endpoints.items()
            if endpoint
        }
        annotator = Annotator(plan.out, chats.get("explain"), chats.get("ground"), box_frame=plan.box_frame)
        progress = Progress("annotating", len(framed))
        annotated: dict[str, Annotation] = {}
        failed: list[LeftOut] = []
        waiting = iter(framed)

        async def annotate_waiting() -> None:
            for frame in waiting:
                result = await annotator.annotate(frame)
                if isinstance(result, LeftOut):
                    failed.append(result)
                else:
                    annotated[frame.provenance.sha256] = result
                progress.show(len(annotated) + len(failed), _format_spent(chats.values()))

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(plan.concurrency):
                    group.create_task(annotate_waiting())
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None
    return annotated, failed, {role: chat.spent for role, chat in chats.items()}


def _format_spent(chats: Iterable[VisionChat]) -> str:
    spent = [chat.spent for chat in chats]
    if not spent:
        return ""
    tokens = sum(usage.prompt_tokens + usage.answer_tokens for usage in spent)
    requests, usd = sum(usage.requests for usage in spent), sum(usage.usd for usage in spent)
    return f"{requests:,} requests, {tokens:,} tokens, {usd:.2f} USD"


def _build_images(framed: Sequence[FramedImage], annotated: Mapping[str, Annotation], seed: int) -> list[LabeledImage]:
    groups = duplicates.group_duplicates(
        [frame.fingerprint for frame in framed], [frame.image.origin for frame in framed]
    )
    first_of_group = (framed[group].provenance.sha256 for group in groups)
    images = [
        _build_image(frame, annotated[frame.provenance.sha256], group)
        for frame, group in zip(framed, first_of_group, strict=True)
    ]
    return splits.assign_splits(images, seed=seed)


def _build_image(framed: FramedImage, annotated: Annotation, group: str) -> LabeledImage:
    """Build the image of the set; one explanation supervises both queries, as the paper's E does."""
    explanation = annotated.explanation
    return LabeledImage(
        file=locate_frame(framed.provenance.sha256),
        label=framed.image.label,
        boxes=None if annotated.regions is None else [region.box.corners for region in annotated.regions],
        shown=[region.description for region in annotated.regions or ()],
        explanations=Explanations(scan=explanation, check=explanation) if explanation else None,
        source=framed.image.source,
        provenance=framed.provenance.model_copy(update={"group": group, "annotated_by": annotated.by}),
    )


def _delete_others(out: Path, digests: set[str]) -> None:
    """Delete images that are not in the set: left out in this build, or of an earlier one."""
    for path in (out / "images").glob("??/*"):
        if path.stem not in digests:
            path.unlink()
