"""Two published detectors without words, trained on the same scenes."""
