"""Reads how the samples of a page are stored, and refuses by name those that are not judged."""

from dataclasses import dataclass

from pipeline.errors import ImageRefused, ImageTooLarge, ImageUndecodable
from pipeline.pixel_limit import build_refusal, check_size, get_pixel_limit
from pipeline.tiff.compressions import BYTEWISE, FAX, JPEG, JUDGED, NAMES, OLD_JPEG
from pipeline.tiff.tags import Directory, Numbers, Order, Tag

MAX_SEGMENTS = 1 << 18
"""strips or tiles of a page"""
MAX_SAMPLES = 8
"""of a pixel"""
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB, ICCLAB = 0, 1, 2, 3, 5, 6, 8, 9
COLORS = {WHITE_IS_ZERO: 1, BLACK_IS_ZERO: 1, RGB: 3, PALETTE: 1, CMYK: 4, YCBCR: 3, CIELAB: 3, ICCLAB: 3}
"""the number of samples that are colors"""
_OTHER_COLORS = {4: "a mask", 10: "ITU Lab", 32803: "a sensor's samples", 32844: "LogL", 32845: "LogLuv"}
_OTHER_COLORS |= {34892: "linear raw samples", 51177: "depths", 52527: "a mask"}
_KINDS = {2: "signed numbers", 3: "floating point", 5: "complex numbers", 6: "complex numbers"}


@dataclass(frozen=True, slots=True)
class Layout:
    """The samples of a page. A block of YCbCr holds `block[0]` x `block[1]` pixels with one Cb and Cr, else one pixel.

    `photometric` says what the samples mean once they are unpacked: `is_ycbcr_jpeg` becomes RGB on the way.
    `extra` are the kinds of the samples behind the colors. Segments are tiles, or strips of the whole width; `planes`
    is how many images of them there are: one, or one for each sample. `order` is that of the bytes of 16 bits.
    """

    size: tuple[int, int]
    bits: int
    samples: int
    photometric: int
    extra: tuple[int, ...]
    compression: int
    is_ycbcr_jpeg: bool
    has_differences: bool
    planes: int
    block: tuple[int, int]
    segment: tuple[int, int]
    is_tiled: bool
    offsets: Numbers
    byte_counts: Numbers
    order: Order

    @property
    def segments_across(self) -> int:
        return -(-self.size[0] // self.segment[0])

    @property
    def segments_down(self) -> int:
        return -(-self.size[1] // self.segment[1])

    @property
    def samples_per_plane(self) -> int:
        return self.samples // self.planes

    @property
    def segment_row_bytes(self) -> int:
        """Return the bytes of a row of blocks in one segment."""
        if self.block != (1, 1):
            return -(-self.segment[0] // self.block[0]) * (self.block[0] * self.block[1] + 2)
        return -(-self.segment[0] * self.samples_per_plane * self.bits // 8)

    def count_rows(self, height: int) -> int:
        """Return how many rows of blocks hold this many rows of pixels."""
        return -(-height // self.block[1])


def read_layout(page: Directory) -> Layout:
    """Return the layout of a page. Raises: ImageRefused, ImageTooLarge, ImageUndecodable."""
    size = (page.read_number(Tag.WIDTH, 0), page.read_number(Tag.LENGTH, 0))
    compression = page.read_number(Tag.COMPRESSION, 1)
    if compression not in JUDGED:
        name = NAMES.get(compression, "unknown")
        raise ImageRefused(f"a TIFF with a compression that is not judged: {name} ({compression})")
    samples = _read_samples(page, compression)
    bits = _read_bits(page, samples, 8 if compression in (JPEG, OLD_JPEG) else 1 if compression in FAX else None)
    stored = _read_photometric(page, compression, samples)
    planar = page.read_number(Tag.PLANAR, 1) == 2 and samples > 1
    is_ycbcr_jpeg = stored == YCBCR and compression in (JPEG, OLD_JPEG) and not planar
    photometric = RGB if is_ycbcr_jpeg else stored
    segment, is_tiled = _read_segment(page, size)
    layout = Layout(
        size=size,
        bits=bits,
        samples=samples,
        photometric=photometric,
        extra=_read_extra(page, samples - COLORS[photometric]),
        compression=compression,
        is_ycbcr_jpeg=is_ycbcr_jpeg,
        has_differences=_read_differences(page, compression, bits),
        planes=samples if planar else 1,
        block=_read_block(page, photometric, samples, planar=planar),
        segment=segment,
        is_tiled=is_tiled,
        offsets=page.read_numbers(Tag.TILE_OFFSETS if Tag.TILE_OFFSETS in page.entries else Tag.STRIP_OFFSETS),
        byte_counts=page.read_numbers(Tag.TILE_BYTE_COUNTS if is_tiled else Tag.STRIP_BYTE_COUNTS),
        order=page.order,
    )
    _check(layout)
    return layout


def _read_samples(page: Directory, compression: int) -> int:
    default = COLORS[YCBCR] if compression == OLD_JPEG else max(page.read_numbers(Tag.BITS).size, 1)
    samples = page.read_number(Tag.SAMPLES, default)
    if not 1 <= samples <= MAX_SAMPLES:
        raise ImageRefused(f"a TIFF of {samples} samples a pixel; up to {MAX_SAMPLES} are judged")
    if samples > 1 and compression in FAX:
        raise ImageUndecodable("the TIFF has fax pages of several samples")
    return samples


def _read_bits(page: Directory, samples: int, only: int | None) -> int:
    """Return the bits of a sample; `only` are those that the compression has, if it has no choice."""
    kinds = set(page.read_numbers(Tag.SAMPLE_FORMAT)[:samples].tolist())
    for kind in kinds & _KINDS.keys():
        raise ImageRefused(f"a TIFF whose samples are {_KINDS[kind]}: the file does not say what is white")
    depths = set(page.read_numbers(Tag.BITS)[:samples].tolist()) or {only or 1}
    if len(depths) > 1:
        raise ImageRefused(f"a TIFF whose samples have different numbers of bits: {sorted(depths)}")
    bits = depths.pop()
    if bits > 16:
        raise ImageRefused(f"samples of {bits} bits: the file does not say what is white")
    if bits < 1 or bits != (only or bits):
        raise ImageRefused(f"a TIFF whose compression and samples of {bits} bits do not go together")
    return int(bits)


def _read_photometric(page: Directory, compression: int, samples: int) -> int:
    """Return what the samples mean; if the tag is missing, as libtiff does."""
    default = WHITE_IS_ZERO if compression in FAX else RGB if samples >= COLORS[RGB] else BLACK_IS_ZERO
    photometric = YCBCR if compression == OLD_JPEG else page.read_number(Tag.PHOTOMETRIC, default)
    if photometric not in COLORS or (photometric == CMYK and page.read_number(Tag.INK_SET, 1) != 1):
        name = "inks other than CMYK" if photometric == CMYK else _OTHER_COLORS.get(photometric, "unknown")
        raise ImageRefused(f"a TIFF with colors that are not judged: {name} ({photometric})")
    if photometric == CMYK and samples < COLORS[CMYK]:
        raise ImageRefused(f"a TIFF with {samples} inks")
    if samples < COLORS[photometric]:
        raise ImageUndecodable(f"the TIFF has {samples} samples for {COLORS[photometric]} colors")
    return photometric


def _read_extra(page: Directory, count: int) -> tuple[int, ...]:
    """Return the kinds of the samples that are no colors; those that the tag does not name are unspecified."""
    kinds = page.read_numbers(Tag.EXTRA_SAMPLES)[:count].tolist()
    return (*kinds, *[0] * (count - len(kinds)))


def _read_differences(page: Directory, compression: int, bits: int) -> bool:
    """Return whether a row holds the difference of each sample to the one on its left."""
    predictor = page.read_number(Tag.PREDICTOR, 1) if compression in BYTEWISE else 1
    if predictor == 1:
        return False
    if predictor != 2 or bits not in (8, 16):
        raise ImageRefused(f"a TIFF with a predictor that is not judged: {predictor} with {bits} bits")
    return True


def _read_block(page: Directory, photometric: int, samples: int, *, planar: bool) -> tuple[int, int]:
    if photometric != YCBCR:
        return (1, 1)
    stated = page.read_numbers(Tag.YCBCR_SUBSAMPLING).tolist()
    across, down = stated if len(stated) == 2 else (2, 2)
    if {across, down} - {1, 2, 4}:
        raise ImageUndecodable(f"the TIFF's YCbCr has a subsampling of {across} x {down}")
    is_plain = samples == COLORS[YCBCR] and not planar and page.read_number(Tag.PREDICTOR, 1) == 1
    if (across, down) != (1, 1) and not (is_plain and page.read_number(Tag.BITS, 1) == 8):
        raise ImageRefused("a TIFF with subsampled YCbCr in planes, of differences, or not of three samples of 8 bits")
    return across, down


def _read_segment(page: Directory, size: tuple[int, int]) -> tuple[tuple[int, int], bool]:
    if Tag.TILE_WIDTH in page.entries:
        return (page.read_number(Tag.TILE_WIDTH, 0), page.read_number(Tag.TILE_LENGTH, 0)), True
    return (size[0], min(page.read_number(Tag.ROWS_PER_STRIP, size[1]), size[1])), False


def _check(layout: Layout) -> None:
    """Compare what the tags claim with the limit of pixels, before anything is allocated."""
    if min(*layout.size, *layout.segment) <= 0:
        raise ImageUndecodable("the TIFF has a page, strip or tile without pixels")
    check_size(layout.size)
    stored = layout.segments_across * layout.segment[0] * max(layout.size[1], layout.segment[1])
    if stored > max(2 * get_pixel_limit(), 1 << 20):
        raise build_refusal(f"an image of {layout.size} in tiles of {layout.segment}")
    segments = layout.segments_across * layout.segments_down * layout.planes
    if segments > MAX_SEGMENTS:
        raise ImageTooLarge(f"{segments} strips or tiles exceed the limit of {MAX_SEGMENTS}")
    if layout.compression != OLD_JPEG and layout.offsets.size < segments:
        raise ImageUndecodable(f"the TIFF has {layout.offsets.size} of its {segments} strips or tiles")
