"""Reads AVIF files."""

from pipeline.color.icc import IccProfile
from pipeline.decoding.frame import Frame
from pipeline.decoding.orientation import read_orientation
from pipeline.decoding.pillow import convert_to_8_bit, open_file


def read_avif(data: bytes) -> Frame:
    with open_file(data, "AVIF") as image:
        frames = getattr(image, "n_frames", 1)
        image.load()
        icc_profile = image.info.get("icc_profile")
        color = IccProfile(icc_profile) if icc_profile else None
        return Frame(convert_to_8_bit(image), color, read_orientation(image), frames)
