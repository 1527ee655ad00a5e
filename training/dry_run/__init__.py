"""Plans of what each step of a training runs and needs, before anything is loaded."""
