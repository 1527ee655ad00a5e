from training.reports import scene_limits


def test_planted_photographs_are_not_taken_for_scenes() -> None:
    reference = "Crop 1: texture with a checkerboard residue."
    assert not scene_limits.are_scenes([reference])
    assert not scene_limits.are_scenes([reference.replace("texture", "fabric"), None])
    assert scene_limits.are_scenes([reference.replace("texture", "fabric")])


def test_the_first_limit_names_the_bound_of_the_view() -> None:
    assert "0.788" in scene_limits.list_scene_limits()[0]
