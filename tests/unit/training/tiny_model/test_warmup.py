from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from pipeline.verdict import BoundingBox
from training.synthetic.album import Page, Picture
from training.synthetic.scenes import Artifact, Detail, Kind
from training.tiny_model import architecture, warmup


def test_targets_say_what_each_patch_shows() -> None:
    view = Picture(np.zeros((140, 140, 3), np.uint8), BoundingBox(0, 0, 512, 512), None)
    side = 51.2  # two patches of the view are 102.4 px of the scene
    detail = Detail(BoundingBox(round(side), 0, round(3 * side), round(side / 2)), Kind.FOLIAGE, Artifact.TILES)
    told = warmup.build_targets(view, [detail])
    assert told.cover.shape == (10, 10)
    assert np.allclose(told.cover[0, :4], [0, 0.5, 0.5, 0], atol=0.01)
    assert told.kind[0, 1] == list(Kind).index(Kind.FOLIAGE)
    assert told.kind[1, 1] == told.kind[0, 0] == -1
    assert told.artifact.max() == -1  # half a patch is too little to judge
    x, y = 1.5 * side, 0.5 * side
    expected = np.array([x - round(side), y, round(3 * side) - x, round(side / 2) - y]) / warmup.OFFSET_UNIT_PX
    assert np.allclose(told.offsets[0, 1], expected, atol=1e-4)


def test_patches_are_gathered_token_by_token() -> None:
    cover = np.arange(16, dtype=np.float32).reshape(4, 4)
    blank = np.zeros((4, 4), np.int64)
    one = warmup.Targets(cover, np.stack([cover] * 4, -1), blank, blank)
    order = [0, 1, 4, 5, 2, 3, 6, 7, 8, 9, 12, 13, 10, 11, 14, 15]
    assert warmup._gather([one], "cover").tolist() == order
    assert warmup._gather([one], "offsets")[:, 2].tolist() == order


def test_it_learns_stops_and_resumes_exactly(
    tokenizer: PreTrainedTokenizerFast, pages: list[Page], tmp_path: Path
) -> None:
    torch.set_num_threads(1)

    def losses(run: warmup.WarmUp, until: int) -> list[float]:
        kept: list[float] = []
        run.train(lambda step: step / until, after_step=lambda _, parts: kept.append(parts["cover"]))
        return kept

    whole = warmup.WarmUp(architecture.build_tiny_model(tokenizer, 0), pages, 0)
    straight = losses(whole, 2)
    first = warmup.WarmUp(architecture.build_tiny_model(tokenizer, 0), pages, 0)
    first.train(lambda step: 1.0 if step >= 1 else step / 2, after_step=lambda *_: None)
    first.save(tmp_path / "warm-up.pt")
    second = warmup.WarmUp(architecture.build_tiny_model(tokenizer, 5), pages, 0)
    torch.nn.init.zeros_(second._head.weight)
    second.load(tmp_path / "warm-up.pt")
    assert second.step == 1
    assert np.allclose(losses(second, 2), straight[1:], rtol=1e-3)
