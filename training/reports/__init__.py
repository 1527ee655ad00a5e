"""Pages and cards that show an evaluation to readers."""
