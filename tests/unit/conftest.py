"""Property tests draw the same examples on every machine and have no deadline, as in hypothesis' profile for CI."""

from hypothesis import settings

settings.load_profile("ci")
