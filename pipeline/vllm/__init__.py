"""Runs the vision-language model on an in-process vLLM engine; the only room that imports vllm."""
