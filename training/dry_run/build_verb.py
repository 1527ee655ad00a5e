"""`build` as a dry run sees it: images of its source, endpoints, disk, and what is missing."""

from collections import Counter
from collections.abc import Sequence

from pipeline.errors import BadSettings
from training.annotation import disk_room
from training.annotation.build import BuildPlan, refuse_source
from training.annotation.endpoint import Endpoint
from training.dataset import sources
from training.dataset.labeled_image import LabeledImage
from training.dry_run.step import DryStep


def plan_build(plan: BuildPlan, words: Sequence[str], *, bucket: str | None) -> DryStep:
    """Plan a build; `bucket` is the labeling bucket that it would read, whose cases are not fetched.

    Raises: BadSettings when the source is neither a folder tree nor has a readable manifest.
    """
    notes = [_describe_endpoint("explains", plan.explain), _describe_endpoint("finds boxes", plan.ground)]
    refusal = None
    if bucket is None:
        listed = list(sources.list_images(plan.source))
        images = [each for each in listed if isinstance(each, LabeledImage)]
        classes = Counter(image.label.value for image in images)
        counts = ", ".join(f"{count} {label}" for label, count in sorted(classes.items())) or "no images"
        notes.append(f"the source has {counts}; {len(listed) - len(images)} files have no label")
        refusal = _find_refusal(plan, images)
        size = disk_room.estimate_set_size(plan.source, images, plan.framing, workers=plan.workers)
        if size:
            notes.append(f"the set takes {size}")
            refusal = refusal or disk_room.describe_shortage(size, plan.out, plan.framing)
    framing = plan.framing
    return DryStep(
        title="build",
        command=["zoomin-train", *words],
        reads=[bucket or str(plan.source)],
        writes=[str(plan.out)],
        values={"frame": framing.frame, "seed": plan.seed, "least": plan.least_per_class, "workers": plan.workers},
        notes=notes,
        refusal=refusal,
    )


def _find_refusal(plan: BuildPlan, images: Sequence[LabeledImage]) -> str | None:
    try:
        refuse_source(plan, images)
    except BadSettings as error:
        return error.detail
    return None


def _describe_endpoint(task: str, endpoint: Endpoint | None) -> str:
    return f"{endpoint.model} at {endpoint.url} {task}" if endpoint else f"no endpoint {task}"
