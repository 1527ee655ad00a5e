"""(h) What evaluating costs beside the engine: images/s of an evaluation over those of its questions asked directly."""

from tests.bench.run.job import SEQUENCES, EvaluationJob
from tests.bench.run.session import Session
from tests.bench.with_engine.engine_host import EngineHost


def measure(session: Session, host: EngineHost) -> None:
    images, repeats = session.plan.evaluated_images, session.plan.repeats
    ratios: list[float] = []
    details: list[dict[str, float]] = []
    for repeat in range(repeats):
        session.progress.say(f"evaluation: {repeat + 1} of {repeats}")
        result = host.evaluate(EvaluationJob(repeat * images, images, SEQUENCES))
        evaluated, asked = (sum(rates) / len(rates) for rates in (result.evaluated_per_s, result.asked_per_s))
        ratios.append(evaluated / asked)
        details.append(
            {"images_per_s": evaluated, "asked_images_per_s": asked, "queries_per_image": result.queries / images}
        )
    session.report.add("evaluation_over_engine", ratios)
    session.report.detail("evaluation", details)
