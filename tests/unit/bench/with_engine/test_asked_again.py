from pipeline.engine import Answer, Query
from tests.bench.run.job import EvaluationJob
from tests.bench.with_engine import asked_again
from tests.support.engines import DigestEngine


class Forgetful(DigestEngine):
    """Keeps what it was asked since it last forgot, run by run."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[list[tuple[str, ...]]] = []

    async def forget(self) -> None:
        self.runs.append([])

    async def ask(self, query: Query, *, temperature: float = 0.0) -> Answer:
        self.runs[-1].append((query.grammar, *(image.sha256 for image in query.images)))
        return await super().ask(query, temperature=temperature)


async def test_an_evaluation_and_its_questions_ask_the_same_of_an_engine_without_memory() -> None:
    engine = Forgetful()
    result = await asked_again.perform(EvaluationJob(first_scene=3, images=4, concurrency=2), engine)
    evaluated, asked, again, last = engine.runs
    assert asked == again == evaluated
    assert sorted(last) == sorted(evaluated)
    assert len({query[1] for query in evaluated}) == 4
    assert result.queries == len(evaluated) == 4 * 4  # one scan an image; own, random and annotated crops
    assert all(rate > 0 for rate in (*result.evaluated_per_s, *result.asked_per_s))
