from pathlib import Path

from PIL import Image

from tests.support.photographs import load_photograph
from training.dataset import manifest
from training.dataset.placement import Frame
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


def test_in_the_paper_s_frame_every_set_is_brought_into_the_square(tmp_path: Path) -> None:
    Image.new("RGB", (900, 600)).save(tmp_path / "a.png")
    (tmp_path / manifest.NAME).write_text('{"file": "a.png", "label": "real", "boxes": [[300, 0, 600, 300]]}')
    frames: tuple[Frame, ...] = ("full", "512")
    sizes = {}
    for frame in frames:
        ((drawn, _),) = jobs.collect_jobs(
            tmp_path, 1, perturbed=False, photographs=None, workers=1, left_out=[], frame=frame
        )
        sizes[frame] = [(sample.image.size_px, *(box.corners for box in sample.annotated)) for sample in drawn]
    assert sizes == {"full": [((900, 600), (300, 0, 600, 300))], "512": [((512, 512), (128, 0, 384, 256))]}
