"""The tiny Qwen2.5-VL, from nothing to the directory that is served."""
