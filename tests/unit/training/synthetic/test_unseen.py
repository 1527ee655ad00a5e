import pickle

import numpy as np
import pytest

from pipeline import images
from training.synthetic import scenes, textures, unseen
from training.synthetic.scenes import Artifact, Kind

OTHERS = list(unseen.UNSEEN["unseen_artifacts"].artifacts.items())


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize(("place", "paint"), OTHERS, ids=[paint.__name__ for _, paint in OTHERS])
def test_an_unseen_artifact_is_plain_in_a_crop_and_gone_from_the_view(
    kind: Kind, place: Artifact, paint: scenes.Paint
) -> None:
    rng = np.random.default_rng(7)
    box = scenes.draw_box(rng)
    weave = scenes._TEXTURES[kind](rng, (box.height_px, box.width_px)) * np.float32(24)
    here = (slice(box.y1, box.y2), slice(box.x1, box.x2))
    change = np.zeros((512, 512), np.float32)
    change[here] = paint(rng, weave) - weave
    hidden = scenes.hide_from_view(change)
    share = (box.area_px / 512**2) ** 0.5
    assert textures.enlarge(hidden, (140, 140)).std() / share < 0.7
    assert hidden[here].std() > 2.5
    trained = change.copy()
    trained[here] = scenes.TRAINED.artifacts[place](np.random.default_rng(7), weave) - weave
    assert not np.allclose(trained, change)


@pytest.mark.parametrize("name", unseen.UNSEEN)
def test_an_unseen_scene_differs_from_a_trained_one_in_its_style_alone(name: str) -> None:
    seen, other = scenes.draw_scene(9), scenes.draw_scene(9, unseen.UNSEEN[name])
    assert other.label is seen.label
    assert images.digest_pixels(other.image.pixels) != images.digest_pixels(seen.image.pixels)
    again = scenes.draw_scene(9, pickle.loads(pickle.dumps(unseen.UNSEEN[name])))  # noqa: S301 - as other processes get it
    assert images.digest_pixels(again.image.pixels) == images.digest_pixels(other.image.pixels)


def test_a_real_scene_has_no_artifact_to_exchange() -> None:
    seen, other = scenes.draw_scene(8), scenes.draw_scene(8, unseen.UNSEEN["unseen_artifacts"])
    assert images.digest_pixels(seen.image.pixels) == images.digest_pixels(other.image.pixels)
    ground = scenes.draw_scene(8, unseen.UNSEEN["unseen_grounds"])
    assert images.digest_pixels(seen.image.pixels) != images.digest_pixels(ground.image.pixels)
