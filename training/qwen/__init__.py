"""Qwen2.5-VL's own definitions: tensors, special tokens, sizes, patch embedding."""
