"""Draws of cases under the daily quota: an image is drawn once a day, at its first sight.

The first sight of an image on a day fixes the fractions and the result. A redelivery of its event gets the same result,
a repost gets none, so that one case of weight 1/inclusion_probability stands for the image on that day. Images that no
full fraction draws need no memory: no lower fraction draws them either.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pipeline.wire.labels import SampleReason
from pipeline.wire.messages import VerdictEvent
from worker.observe import telemetry
from worker.observe.telemetry import Metrics
from worker.sampling.daily_quota import DailyQuota
from worker.sampling.decision import Sample, SamplingPolicy, decide, list_strata
from worker.sampling.label_case import find_case_day

MOST_REMEMBERED = 50_000
"""images that full fractions would draw; each takes up to 500 bytes"""


@dataclass(frozen=True, slots=True)
class FirstSight:
    verdict_id: str
    sample: Sample | None


class CaseDraws:
    def __init__(self, policy: SamplingPolicy, metrics: Metrics, *, most_remembered: int = MOST_REMEMBERED) -> None:
        self._policy = policy
        self._metrics = metrics
        self._quota = DailyQuota(policy.daily_quota)
        self._first_sights: OrderedDict[str, FirstSight] = OrderedDict()
        self._most_remembered = most_remembered

    def draw(self, verdict: VerdictEvent) -> Sample | None:
        """Return None for an image that no stratum draws, and for a repost."""
        image_day = f"{find_case_day(verdict):%Y%m%d}{verdict.image.sha256}"
        first = self._first_sights.get(image_day)
        if first is None:
            return self._draw_first(verdict, image_day)
        self._first_sights.move_to_end(image_day)
        if first.verdict_id == verdict.verdict_id:
            return first.sample
        if first.sample is not None:
            self._metrics.cases_withheld.labels("repost").inc()
        return None

    def _draw_first(self, verdict: VerdictEvent, image_day: str) -> Sample | None:
        strata = list_strata(verdict, self._policy)
        candidate = decide(image_day, strata, self._policy)
        if candidate is None:
            return None
        fractions = {
            reason: self._quota.limit_fraction(fraction, verdict.source, reason, verdict.decided_at)
            for reason, fraction in strata.items()
        }
        sample = decide(image_day, fractions, self._policy)
        drawn = sample.reasons if sample else ()
        for reason in candidate.reasons:
            if reason in drawn:
                self._count_draw(verdict, reason)
            else:
                self._metrics.quota_cuts.labels(reason, "pace" if fractions[reason] else "spent").inc()
        self._remember(image_day, FirstSight(verdict.verdict_id, sample))
        return sample

    def _count_draw(self, verdict: VerdictEvent, reason: SampleReason) -> None:
        if self._quota.count(verdict.source, reason):
            telemetry.get_logger().warning(
                telemetry.LABEL_QUOTA_SPENT, source=verdict.source, reason=reason, quota=self._policy.daily_quota
            )

    def _remember(self, image_day: str, first: FirstSight) -> None:
        self._first_sights[image_day] = first
        if len(self._first_sights) > self._most_remembered:
            self._first_sights.popitem(last=False)
