"""Parts that every training run shares: directory, budget, resuming, export, adapters."""
