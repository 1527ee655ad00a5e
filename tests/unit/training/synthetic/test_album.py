from pathlib import Path

import numpy as np

from pipeline import images
from training.synthetic import album, scenes


def test_pictures_are_the_product_s(pages: list[album.Page]) -> None:
    scene, page = scenes.draw_scene(3), pages[3]
    assert np.array_equal(page.view.pixels, np.asarray(images.build_view(scene.image, album.VIEW_PIXELS).pixels))
    assert len(page.crops) == len(page.details) == len(scene.details)
    for group in page.crops:
        for picture in group:
            high, wide = picture.pixels.shape[:2]
            assert high % 28 == wide % 28 == 0
            assert high * wide <= album.VIEW_PIXELS


def test_a_crop_is_about_a_detail_only_if_it_shows_it(pages: list[album.Page]) -> None:
    pictures = [(page, picture) for page in pages for group in page.crops for picture in group]
    pictures += [(page, page.stray) for page in pages]
    assert any(picture.detail is None for _, picture in pictures)
    for page, picture in pictures:
        covered = {detail: album._measure_overlap(picture.window, detail.box) for detail in page.details}
        enough = album.SHOWS_DETAIL * picture.window.area_px
        if picture.detail is None:
            assert max(covered.values()) < enough
        else:
            assert covered[picture.detail] == max(covered.values()) >= enough


def test_a_shard_gives_back_its_pages(pages: list[album.Page], tmp_path: Path) -> None:
    path = tmp_path / "shard.npz"
    with path.open("wb") as stream:
        np.savez(stream, **album._pack(pages))
    for kept, page in zip(album._read_shard(path), pages, strict=True):
        assert (kept.label, kept.details) == (page.label, page.details)
        assert np.array_equal(kept.view.pixels, page.view.pixels)
        for mine, theirs in zip([*sum(kept.crops, ()), kept.stray], [*sum(page.crops, ()), page.stray], strict=True):
            assert (mine.window, mine.detail) == (theirs.window, theirs.detail)
            assert np.array_equal(mine.pixels, theirs.pixels)
