"""Reports of a push or a pull, also of one that did not end: one line for operators, and JSON."""

from collections import Counter
from collections.abc import Iterator

from training.label_studio.pull import PullResult
from training.label_studio.push import PushResult

MOST_LINES = 20
"""refusals that are printed; the JSON has all"""


def convert_push(result: PushResult, problem: str | None) -> dict[str, object]:
    """Convert the counts to what `--json` prints; `problem` is what ended it early."""
    return {
        "sent": dict(result.sent),
        "known": result.known,
        "waiting": result.waiting,
        "overlap_raised": result.overlap_raised,
        "deleted_tasks": result.deleted_tasks,
        "repeated_tasks": result.repeated_tasks,
        "refused": [{"key": refused.key, "detail": refused.detail} for refused in result.refused],
        "error": problem,
    }


def describe_push(result: PushResult) -> str:
    return (
        f"sent {result.sent.total():,} cases{_format_counts(result.sent)}; {result.known:,} were there, "
        f"{result.waiting:,} wait for quota or limit, {result.overlap_raised:,} got a further annotator, "
        f"{result.deleted_tasks:,} deleted, {len(result.refused):,} refused"
    )


def convert_pull(result: PullResult, problem: str | None) -> dict[str, object]:
    """Convert the counts to what `--json` prints; `problem` is what ended it early."""
    return {
        "labels": result.labels,
        "known": result.known,
        "skipped": result.skipped,
        "deleted": result.deleted,
        "refused": dict(_count_reasons(result)),
        "refusals": [refused.model_dump(mode="json") for refused in result.refused],
        "error": problem,
    }


def describe_pull(result: PullResult) -> str:
    return (
        f"{result.labels:,} new labels; {result.known:,} were there, {result.skipped:,} skipped by annotators, "
        f"{result.deleted:,} of deleted images, {len(result.refused):,} refused"
        f"{_format_counts(_count_reasons(result))}"
    )


def list_problems(result: PushResult | PullResult) -> Iterator[str]:
    """Yield a line for each of the first refusals, with the place where it can be corrected."""
    if isinstance(result, PushResult):
        yield from (f"not sent: {refused.key}: {refused.detail}" for refused in result.refused[:MOST_LINES])
    else:
        yield from (
            f"refused ({refused.reason}): {refused.detail}: {refused.url}" for refused in result.refused[:MOST_LINES]
        )


def _count_reasons(result: PullResult) -> Counter[str]:
    return Counter(str(refused.reason) for refused in result.refused)


def _format_counts(counts: Counter[str]) -> str:
    return f" ({', '.join(f'{count:,} {name}' for name, count in counts.items())})" if counts else ""
