from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from pipeline.checkpoint import Checkpoint
from tests.support.paths import MODEL
from training.tiny_model import tiny, untrained


def test_an_untrained_model_is_a_checkpoint_of_the_trained_one_s_shape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiny, "WHITENING_PAGES", 2)
    untrained.write_untrained_model(tmp_path / "base", seed=3, cache=tmp_path, workers=1)
    made = Checkpoint.read(tmp_path / "base")
    assert (made.card.box_frame, made.card.metrics) == ("thousand", {})
    theirs, ours = (load_file(path / "model.safetensors") for path in (MODEL, made.path))
    assert {name: tensor.shape for name, tensor in ours.items()} == {n: t.shape for n, t in theirs.items()}
    name = "model.embed_tokens.weight"
    assert not torch.equal(ours[name], theirs[name])
    assert not (tmp_path / "base.part").exists()
