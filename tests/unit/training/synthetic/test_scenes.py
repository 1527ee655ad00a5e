import numpy as np
import pytest

from pipeline import images
from pipeline.verdict import RgbImage, Verdict
from training.evaluation import metrics
from training.synthetic import scenes, textures
from training.synthetic.scenes import Artifact, Kind


def test_a_seed_is_a_scene() -> None:
    first, second, other = scenes.draw_scene(3), scenes.draw_scene(3), scenes.draw_scene(5)
    assert (
        images.digest_pixels(first.image.pixels)
        == images.digest_pixels(second.image.pixels)
        != images.digest_pixels(other.image.pixels)
    )
    assert first.details == second.details
    assert scenes.draw_scene(2).label is Verdict.REAL
    assert first.label is Verdict.GENERATED


def test_details_are_apart_inside_the_image_and_flawed_exactly_in_generated_scenes() -> None:
    drawn = [scenes.draw_scene(seed) for seed in range(40)]
    assert {len(scene.details) for scene in drawn} == {1, 2, 3}
    for scene in drawn:
        for detail in scene.details:
            assert 72 <= detail.box.width_px <= 128
            assert 72 <= detail.box.height_px <= 128
            assert max(detail.box.corners) <= 512 - scenes.BORDER_PX
            assert (detail.artifact is not None) is (scene.label is Verdict.GENERATED)
        boxes = scene.boxes
        assert not any(scenes.are_near(a, b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert {detail.kind for scene in drawn for detail in scene.details} == set(Kind)
    assert {detail.artifact for scene in drawn for detail in scene.details} == {None, *Artifact}


def test_the_tone_tells_the_classes_apart_by_the_stated_cue() -> None:
    rng = np.random.default_rng(0)
    real, generated = (np.array([scenes.draw_tone(rng, label) for _ in range(20_000)]) for label in Verdict)
    cue = (generated.mean() - real.mean()) / np.sqrt((generated.var() + real.var()) / 2)
    assert cue == pytest.approx(scenes.TONE_CUE, abs=0.05)
    right = np.concatenate([real < 0, generated > 0]).mean()
    assert right == pytest.approx(metrics.view_bound(scenes.TONE_CUE), abs=0.01)


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("artifact", Artifact)
def test_an_artifact_is_plain_in_a_crop_and_gone_from_the_view(kind: Kind, artifact: Artifact) -> None:
    rng = np.random.default_rng(7)
    box = scenes.draw_box(rng)
    weave = scenes._TEXTURES[kind](rng, (box.height_px, box.width_px)) * np.float32(24)
    change = np.zeros((512, 512), np.float32)
    change[box.y1 : box.y2, box.x1 : box.x2] = scenes._ARTIFACTS[artifact](rng, weave) - weave
    hidden = scenes.hide_from_view(change)
    seen_in_view = textures.enlarge(hidden, (140, 140))
    share = (box.area_px / 512**2) ** 0.5
    assert seen_in_view.std() / share < 0.7  # gray levels within the region; the grain has 0.7 to 1.2 in the view
    assert hidden[box.y1 : box.y2, box.x1 : box.x2].std() > 2.5


def test_the_view_of_an_artifact_is_the_product_s_view() -> None:
    scene = scenes.draw_scene(9)
    assert images.build_view(scene.image, 140 * 140).size == (scenes.VIEW_SIDE_PX, scenes.VIEW_SIDE_PX)
    assert isinstance(scene.image, RgbImage)
    assert scene.image.size_px == (scenes.SIDE_PX, scenes.SIDE_PX)


def test_explanations_name_each_detail_and_each_crop() -> None:
    scene = scenes.draw_scene(9)
    scan = scenes.explain_scan(scene.label, scene.details)
    assert all(f"{detail.kind} {detail.place}" in scan for detail in scene.details)
    check = scenes.explain_check((*scene.details, None))
    assert check.endswith(f"Crop {len(scene.details) + 1}: plain ground.")
    assert scenes.explain_check(())
