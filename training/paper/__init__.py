"""The paper's tables, figures, ablations and benchmarks."""
