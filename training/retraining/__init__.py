"""One night of retraining: from labels to a challenger that the gate has judged, and its promotion."""
