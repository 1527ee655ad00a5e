"""Color profiles of the International Color Consortium, as they stand in files."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class IccProfile:
    """A color profile as it stands in a file."""

    data: bytes = field(repr=False)
