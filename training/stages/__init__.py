"""The experiment that shows what each stage of GRPO adds to a start with room to improve."""
