"""Supervised fine-tuning on both queries."""
