"""`zoomin decode`: show the pixels of files that are judged, or the code of each refusal; without a model."""

import argparse
import json
from collections import Counter
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.text import Text

from pipeline import images
from pipeline.errors import FatalError, ZoomInError
from pipeline.sandbox.decoder import Decoder
from pipeline.verdict import RgbImage
from worker.cli.local_files import choose_png_paths, read_image_file
from worker.cli.terminal import build_console, escape_unprintable
from worker.common.sections import StoreSettings
from worker.common.settings import Settings

NAME = "decode"
HELP = "show which pixels of image files are judged, or why they are refused, without a model"
OUTCOME_WIDTH = 17
DECODED = "decoded"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="an image")
    parser.add_argument("--out", type=Path, metavar="DIR", help="save the full-size pixels that are judged, as PNG")
    parser.add_argument("--json", action="store_true", help="one line a file")
    parser.epilog = (
        "Files are decoded as the worker does it: in a sandboxed process, within ZOOMIN_STORE__MAX_IMAGE_BYTES and\n"
        "ZOOMIN_STORE__MAX_IMAGE_PIXELS. The pixels saved are those that are scaled down for Query 1 and cut for\n"
        "Query 2; boxes in verdicts are pixels of them. Exit code 1: a file was refused.\n\n"
        "fields of --json: file, outcome (pixels or code); width_px, height_px, format, frames, frame, repaired;\n"
        "code, detail. Those that do not apply are null.\n\n"
        "examples:\n"
        "  zoomin decode photo.jpg --out seen    # writes seen/photo.png\n"
        "  zoomin decode --json uploads/* | jq 'select(.repaired or .code)'"
    )


def run(args: argparse.Namespace) -> int:
    settings: Settings = args.settings()
    out = build_console()
    png_paths = choose_png_paths(args.files, args.out) if args.out else {}
    name_width = max(len(str(file)) for file in args.files)
    counts: Counter[str] = Counter()
    with closing(Decoder(max_pixels=settings.store.max_image_pixels)) as decoder:
        for file in args.files:
            outcome, png_path = decode_file(file, decoder, settings.store), png_paths.get(file)
            counts[outcome.code if isinstance(outcome, ZoomInError) else DECODED] += 1
            if isinstance(outcome, RgbImage) and png_path:
                save_png(outcome, png_path)
            if args.json:
                print(json.dumps(describe(file, outcome)), flush=True)
            else:
                print_outcome(out, file, outcome, name_width=name_width)
    if not args.json:
        totals = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
        out.print(escape_unprintable(f"{totals}; saved in {args.out}" if args.out else totals), style="bold")
    return 0 if counts.keys() == {DECODED} else 1


def decode_file(file: Path, decoder: Decoder, store: StoreSettings) -> RgbImage | ZoomInError:
    try:
        data, _ = read_image_file(file, max_bytes=store.max_image_bytes)
        return decoder.decode(data)
    except ZoomInError as error:
        return error


def save_png(image: RgbImage, path: Path) -> None:
    """Write the pixels that are judged. Raises: FatalError if the file cannot be written."""
    try:
        path.write_bytes(images.encode_png(image.pixels))
    except OSError as error:
        raise FatalError(f"{path} cannot be written: {error.strerror}") from error


def describe(file: Path, outcome: RgbImage | ZoomInError) -> dict[str, object]:
    """Describe an outcome for programs; what does not apply is null."""
    image = outcome if isinstance(outcome, RgbImage) else None
    error = outcome if isinstance(outcome, ZoomInError) else None
    width_px, height_px = image.size_px if image else (None, None)
    return {
        "file": str(file),
        "outcome": "pixels" if image else "code",
        "width_px": width_px,
        "height_px": height_px,
        "format": image and image.format,
        "frames": image and image.frames,
        "frame": image and image.frame,
        "repaired": image and image.repaired,
        "code": error and error.code,
        "detail": error and error.detail,
    }


def print_outcome(out: Console, file: Path, outcome: RgbImage | ZoomInError, *, name_width: int) -> None:
    """Print format or code, the file, and size and remarks or the reason."""
    if isinstance(outcome, RgbImage):
        size = f"{outcome.pixels.width} x {outcome.pixels.height} px"
        head, style, rest = outcome.format, "green", ", ".join((size, *outcome.remarks))
    else:
        head, style, rest = outcome.code, "red", outcome.detail
    line = Text(f"{head:<{OUTCOME_WIDTH}}  ", style=style)
    line.append(f"{escape_unprintable(str(file)):<{name_width}}  ", style="bold")
    out.print(line.append(escape_unprintable(rest), style="default"), soft_wrap=True)
