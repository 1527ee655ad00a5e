"""Property tests draw the same examples on every machine, and none has to be drawn or judged within 0.2 s."""

from hypothesis import settings

settings.load_profile("ci")
