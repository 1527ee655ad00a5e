"""Check of a GPU machine: serving and training at the shape of a published model, with random weights."""
