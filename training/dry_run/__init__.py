"""What each step of a training will need and run, before anything is loaded."""
