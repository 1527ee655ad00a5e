"""(d) What the second query costs: with prefix and encoder reuse over without, and both queries over one alone."""

from dataclasses import dataclass

from tests.bench.run.job import SEQUENCES, Job, Result
from tests.bench.run.session import Session
from tests.bench.with_engine.engine_host import EngineHost

FIRST_PICTURE = 8000


@dataclass
class Fresh:
    """Picture numbers that no engine has met."""

    next_number: int = FIRST_PICTURE

    def job(self, count: int, concurrency: int, *, queries: int = 2) -> Job:
        first, self.next_number = self.next_number, self.next_number + count
        return Job(first, count, concurrency, queries)


def measure(session: Session, reusing: EngineHost, forgetting: EngineHost) -> None:
    plan, fresh = session.plan, Fresh()
    both: list[Result] = []
    anew: list[Result] = []
    one: list[Result] = []
    alone: list[Result] = []
    for repeat in range(plan.repeats):
        session.progress.say(f"reuse: {repeat + 1} of {plan.repeats}")
        job = fresh.job(plan.reuse_images, SEQUENCES)
        both.append(reusing.perform(job))
        anew.append(forgetting.perform(job))
        one.append(reusing.perform(fresh.job(plan.reuse_images, SEQUENCES, queries=1)))
        alone.append(reusing.perform(fresh.job(plan.alone_images, 1)))
    report, count = session.report, plan.reuse_images
    report.add("reuse_over_no_reuse_c16", [a.seconds / b.seconds for a, b in zip(both, anew, strict=True)])
    report.add("prefix_reused_exactly", [result.exact / count for result in both])
    report.add("encoder_runs_over_needed", [result.encoder_runs / (count + result.crops) for result in both])
    report.add("two_over_one_c16", [a.seconds / b.seconds for a, b in zip(both, one, strict=True)])
    report.add("two_over_one_c1", [result.seconds / result.scan_s for result in alone])
    for name, results in (("with", both), ("without", anew)):
        per_image = [
            {
                "seconds": result.seconds / count,
                "encoder_runs": result.encoder_runs / count,
                "crops": result.crops / count,
                "cached_tokens": result.cached_tokens / count,
                "answer_tokens": result.answer_tokens / count,
            }
            for result in results
        ]
        report.detail(f"{name}_reuse_per_image", per_image)
