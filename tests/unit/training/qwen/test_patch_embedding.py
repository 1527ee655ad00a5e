import torch
from transformers import PreTrainedTokenizerFast

from training.qwen import patch_embedding, tensors
from training.synthetic.album import Page
from training.tiny_model import architecture


def test_embedding_by_product_is_the_same_embedding(tokenizer: PreTrainedTokenizerFast, pages: list[Page]) -> None:
    model = architecture.build_tiny_model(tokenizer, 0)
    values, _ = tensors.cut_patches([pages[0].view.pixels])
    convolved = model.model.visual.patch_embed(values)
    patch_embedding.embed_by_product(model)
    assert torch.allclose(model.model.visual.patch_embed(values), convolved, atol=1e-4)
