"""The PNG format as browsers read it: its chunks, its animations, and the rows of broken files that can be shown."""
