import re

import torch
from transformers import PreTrainedTokenizerFast

from training.tiny_model import architecture
from training.tuning import adapters


def test_every_matrix_of_the_layers_has_an_adapter_and_nothing_else(tokenizer: PreTrainedTokenizerFast) -> None:
    model = architecture.build(tokenizer, 0)
    linear = {name for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)}
    chosen = {name for name, _ in model.named_modules() if re.fullmatch(adapters.MODULES, name)}
    assert chosen == linear - {"lm_head"}
    assert any(name.startswith("model.visual.merger.mlp") for name in chosen)
