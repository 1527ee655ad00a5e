from pathlib import Path

import pytest

from pipeline.errors import BadSettings
from pipeline.verdict import Verdict
from tests.support.training_runs import write_split_scenes
from training.dataset.labeled_image import Split
from training.gate.accuracy_rows import OVERLAYS, PERTURBED
from training.gate.demands import Demands
from training.gate.sets import SetPlace, build_jobs, count_predictions, read_places, read_sets

DEMANDS = Demands(images_of_each_class=1, perturbed_images=2, overlay_images=1)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_split_scenes(tmp_path_factory.mktemp("set"), [Split.GOLDEN] * 4 + [Split.TEST] * 2)


def test_a_place_is_a_directory_with_a_split() -> None:
    places = read_places(golden="build/snapshot", base="sets/base", new="build/snapshot:validation", other=None)
    assert places == {
        "golden": SetPlace(Path("build/snapshot"), Split.GOLDEN),
        "base": SetPlace(Path("sets/base"), Split.TEST),
        "new": SetPlace(Path("build/snapshot"), Split.VALIDATION),
    }
    assert SetPlace.parse("a:b/c", Split.TEST) == SetPlace(Path("a:b/c"), Split.TEST)


def test_an_unknown_split_is_named() -> None:
    with pytest.raises(BadSettings, match="there is no split gold; choose one of train, validation, test, golden"):
        read_places(golden="build/snapshot:gold")


def test_each_set_gives_its_split(scenes: Path) -> None:
    sets = read_sets(read_places(golden=str(scenes), base=str(scenes)), 100)
    assert [len(of_gate.samples) for of_gate in sets.values()] == [4, 2]
    described = sets["golden"].describe()
    assert (described.name, described.real + described.generated) == (f"{scenes.name}:golden", 4)
    assert described.digest.startswith("sha256:")
    assert described.digest != sets["base"].digest


def test_the_same_images_twice_are_refused(scenes: Path) -> None:
    with pytest.raises(BadSettings, match="--golden and --base name the same images"):
        read_sets(read_places(golden=f"{scenes}:test", base=str(scenes)), 100)


def test_an_empty_split_is_refused(scenes: Path) -> None:
    with pytest.raises(BadSettings, match="holds no image to judge; its manifest has to name some, in split train"):
        read_sets(read_places(new=f"{scenes}:train"), 100)


def test_the_golden_set_gets_every_pass_and_the_new_kinds_the_own_one(scenes: Path) -> None:
    sets = read_sets(read_places(golden=str(scenes), new=str(scenes)), 100)
    golden = sets["golden"].samples
    (own, passes), (perturbed, copies), (overlaid, texts) = build_jobs("golden", golden, DEMANDS)
    assert list(passes) == ["own", "random"]
    assert list(copies) == [row.value for row in PERTURBED]
    assert list(texts) == list(OVERLAYS)
    assert (len(own), len(perturbed), len(overlaid)) == (4, 2, 1)
    assert [sample.label for sample in overlaid] == [Verdict.GENERATED]
    ((_, only),) = build_jobs("new", sets["new"].samples, DEMANDS)
    assert list(only) == ["own"]
    assert count_predictions(sets, DEMANDS) == 4 * 2 + 2 * 5 + 1 * 3 + 2


def test_perturbations_change_the_pixels_and_keep_the_size_that_they_should(scenes: Path) -> None:
    golden = read_sets(read_places(golden=str(scenes)), 4)["golden"].samples
    sample = golden[0]
    _, (_, copies), (_, texts) = build_jobs("golden", golden, DEMANDS)
    for name, pass_ in {**copies, **texts}.items():
        assert pass_.perturb is not None
        image, _ = pass_.perturb(sample.image, sample.annotated, 0)
        assert image.pixels.tobytes() != sample.image.pixels.tobytes(), name
        assert (image.size_px == sample.image.size_px) == (name not in ("crop", "half_size")), name
