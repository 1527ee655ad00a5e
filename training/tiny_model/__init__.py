"""The tiny Qwen2.5-VL, from random weights to the directory that is served."""
