import torch
from transformers import PreTrainedTokenizerFast

from training.qwen import tensors
from training.synthetic.album import Page
from training.tiny_model import architecture


def test_filters_are_orthogonal_cosines_from_coarse_to_fine() -> None:
    filters = architecture.build_dct_filters(128).flatten(1)
    bright = filters[:110]
    gram = bright @ bright.T
    assert torch.allclose(gram, torch.eye(110) * gram[0, 0], atol=1e-5)
    crossed = filters[110:] @ bright.T
    assert torch.allclose(crossed, torch.zeros_like(crossed), atol=1e-5)


def test_a_seed_is_a_model_of_its_size(tokenizer: PreTrainedTokenizerFast) -> None:
    one, again, other = (architecture.build_tiny_model(tokenizer, seed) for seed in (1, 1, 2))
    first, same, different = (model.model.language_model.layers[0].mlp.up_proj.weight for model in (one, again, other))
    assert torch.equal(first, same)
    assert not torch.equal(first, different)
    assert sum(weight.numel() for weight in one.parameters()) * 2 < 10_000_000


def test_whitened_channels_have_unit_deviation(tokenizer: PreTrainedTokenizerFast, pages: list[Page]) -> None:
    model = architecture.build_tiny_model(tokenizer, 0)
    values, _ = tensors.cut_patches([page.view.pixels for page in pages] + [page.crops[0][0].pixels for page in pages])
    architecture.whiten_patch_embedding(model, values)
    response = values @ model.model.visual.patch_embed.proj.weight.flatten(1).T
    assert torch.allclose(response.std(0), torch.ones(128), atol=1e-3)
