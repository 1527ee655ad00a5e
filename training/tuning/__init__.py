"""Fine-tuning of any Qwen2.5-VL: SFT, then GRPO in two stages."""
