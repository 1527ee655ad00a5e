"""Label Studio: cases out to annotators, their labels back, and how well they agree."""
