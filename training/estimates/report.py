"""The report of a run from top to bottom: bucket and verdicts in, numbers for page, JSON line and textfile out."""

from dataclasses import dataclass
from datetime import UTC, datetime

from pipeline.errors import BadSettings
from training.estimates.drift import count_verdicts, measure_drift
from training.estimates.estimate import Group, WeighedCases, estimate_all
from training.estimates.sampled_cases import ORPHAN, LeftOutCases, collect_cases
from training.estimates.verdict_lines import SkippedLines
from training.evaluation.summary import Json
from training.labeling.bucket import open_labeling_bucket
from training.labeling.cases import index_cases, read_cases
from training.settings import TrainSettings

WEEK: Group = "week"


@dataclass(frozen=True, slots=True)
class EstimateRequest:
    """Labeling bucket, verdicts, or both. `until` splits the verdicts into reference and window."""

    bucket: str | None
    verdicts: str | None
    reference: str | None
    until: datetime | None
    since: datetime | None
    by: Group | None


def build_report(request: EstimateRequest, settings: TrainSettings) -> Json:
    """Estimate and measure what was asked for; a part that was not is None.

    Raises: BadSettings for verdicts without a reference and for a bucket without cases; the errors of the bucket.
    """
    return {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "bucket": request.bucket,
        "since": request.since.isoformat() if request.since else None,
        "by": request.by,
        "estimates": _estimate_bucket(request, settings) if request.bucket else None,
        "drift": _measure(request, request.verdicts) if request.verdicts else None,
    }


def _estimate_bucket(request: EstimateRequest, settings: TrainSettings) -> Json:
    left_out = LeftOutCases()
    with open_labeling_bucket(str(request.bucket), settings) as bucket:
        index = index_cases(bucket)
        if not index.cases:
            raise BadSettings(f"no cases in s3://{bucket.name}/cases/; name the labeling bucket alone: s3://bucket")
        for key in index.orphans:
            left_out.add(ORPHAN, key)
        cases = collect_cases(
            read_cases(bucket, index), left_out, deleted=bucket.list_tombstones(), since=request.since
        )
    weighed = WeighedCases.build(cases)
    groups = {group: dict(weighed.split(group)) for group in dict.fromkeys((WEEK, request.by)) if group}
    return {
        **estimate_all(weighed),
        "left_out": dict(left_out.counts),
        "left_out_examples": left_out.examples,
        "groups": {
            group: {name: estimate_all(members) for name, members in split.items()} for group, split in groups.items()
        },
    }


def _measure(request: EstimateRequest, verdicts: str) -> Json:
    if not request.reference and not request.until:
        raise BadSettings("drift needs a reference: --reference FILE, or --reference-until T for the first part")
    skipped = SkippedLines()
    before, after = count_verdicts(
        verdicts, request.reference, until=request.until, since=request.since, skipped=skipped
    )
    return {**measure_drift(before, after), "skipped": dict(skipped.counts), "skipped_examples": skipped.examples}
