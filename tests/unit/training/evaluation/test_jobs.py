from pathlib import Path

from tests.support.photographs import load_photograph
from training.evaluation import evaluate, jobs, summary
from training.synthetic import unseen


def test_photographs_are_a_set_of_their_own_beside_the_own_one(tmp_path: Path) -> None:
    load_photograph("ascent").save(tmp_path / "stairs.png")
    (own, passes), (frames, others) = jobs.collect_jobs(
        None, 2, perturbed=False, photographs=tmp_path, workers=1, left_out=[]
    )
    assert list(passes) == ["own", "random", "annotated"]
    assert list(others) == [summary.PHOTOGRAPHS]
    assert [sample.label for sample in own] == [sample.label for sample in frames]
    assert all((sample.reference or "").startswith("Crop 1: texture") for sample in frames)


def test_perturbed_passes_come_with_scenes_of_unseen_styles() -> None:
    collected = jobs.collect_jobs(None, 1, perturbed=True, photographs=None, workers=1, left_out=[])
    assert list(collected[0][1]) == [*evaluate.PASSES, *evaluate.PERTURBED]
    assert [name for _, passes in collected[1:] for name in passes] == list(unseen.UNSEEN)
