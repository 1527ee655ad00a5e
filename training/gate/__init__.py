"""The gate: whether a challenger may replace the champion, measured on the same images."""
