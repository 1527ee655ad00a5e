"""Provides a checkpoint directory with Qwen's real vocabulary."""

import shutil
from pathlib import Path

from training.qwen.vocabulary import build_qwen_tokenizer


def copy_with_qwen_vocabulary(checkpoint: Path, directory: Path) -> Path:
    """Copy `checkpoint` without its weights and replace its vocabulary: prompts can be rendered, not answered."""
    shutil.copytree(checkpoint, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.safetensors"))
    build_qwen_tokenizer().save_pretrained(directory)
    return directory
