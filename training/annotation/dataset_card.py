"""Write the dataset card of a built set: README.md with pictures, and the same numbers as `card.json`."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from pipeline.verdict import Verdict
from training.annotation import charts, leaks, spectrum_leak, statistics
from training.annotation.build import Built
from training.annotation.endpoint import Spent
from training.annotation.leaks import Leaks
from training.annotation.statistics import ClassStatistics, SetStatistics
from training.dataset import left_out as left_out_file
from training.dataset import manifest
from training.dataset.frame import JPEG_QUALITY, MIN_SIDE_PX
from training.dataset.labeled_image import LabeledImage
from training.dataset.placement import Frame
from training.dataset.splits import SHARES

JSON_NAME, README_NAME, PICTURES = "card.json", "README.md", "card"
GALLERY_IMAGES = 9
TEXT = """\
---
pretty_name: MagniFake
tags: [image-forensics, zoomin]
configs:
- config_name: tuples
  data_files: {manifest}
---
# {name}

{images:,} images with (I, E, B, C): image, explanation, boxes, and the crops that Query 2 gets.
Built by `zoomin-train build`; `{manifest}` holds a line for each image, in the order of digests, boxes in pixels of
its file; crops are cut around the boxes.

## Figures

| | all | real | generated | the paper's MagniFake |
|---|---|---|---|---|
{figures}

| split | real | generated |
|---|---|---|
{splits}

Splits go by groups: {groups:,} groups of near-duplicates (perceptual hash, mirrored ones included) or of one origin;
{grouped:,} images share theirs with another, and no group is in two splits. {both}

![boxes an image](card/boxes.png)
![box areas](card/areas.png)
![keywords](card/keywords.png)
![real](card/real.png)
![generated](card/generated.png)

## Left out

{left_out_total:,} files did not come in; `{left_out}` names each with its reason. {repaired}

| reason | files |
|---|---|
{left_out_rows}

| what became of boxes that were named | boxes |
|---|---|
{fates}

## What the files themselves betray

Every image went through one chain: upright sRGB (short side at least {min_side} px), {frame}, one JPEG step of quality
{quality}, stored as pixels without compression and metadata. {sizes}

Two classifiers that cannot see what a picture shows are right as often as these shares say (five folds, images of
one size in one fold as far as both classes have it); .500 is chance. The first knows everything but the pixels; the
second knows the energies of {bands} bands of the pixels, from coarse to fine, and finds a class that was enlarged
or reduced more than the other.

| | balanced accuracy | 95 % interval |
|---|---|---|
| files as they came (format, size, length, name) | {before.value:.3f} | {before.low:.3f} to {before.high:.3f} |
| files of this set | {after.value:.3f} | {after.low:.3f} to {after.high:.3f} |
| band energies of this set | {spectrum.value:.3f} | {spectrum.low:.3f} to {spectrum.high:.3f} |

{spectrum_note}

## Who annotated

{annotators}

| endpoint | requests | from the journal | unreadable answers | prompt tokens | answer tokens | USD |
|---|---|---|---|---|---|---|
{spent}
"""


FRAMES: Mapping[Frame, str] = {
    "full": "the whole image up to {max_pixels:,} pixels",
    "512": "the centre square, 512 x 512",
}
SIZES = {
    True: "Both classes were brought to the same sizes before (`--sizes matched`).",
    False: "Sizes are those of the source (`--sizes own`).",
}
MOST_NAMES = 10


@dataclass(frozen=True, slots=True)
class RepairedFiles:
    """Broken files, which viewers repair: those of the set (`--keep-repaired`), and those left out."""

    in_set: list[str]
    left_out: list[str]

    def __str__(self) -> str:
        parts = (("in this set", self.in_set), ("left out", self.left_out))
        return " ".join(
            f"Broken files {place}: {len(names)} ({_list_names(names)})." for place, names in parts if names
        )


@dataclass(frozen=True, slots=True)
class DatasetCard:
    """All content of the dataset card."""

    figures: SetStatistics
    left_out: dict[str, int]
    fates: dict[str, int]
    leaks: Leaks
    repaired: RepairedFiles
    spent: dict[str, Spent]
    annotated_by: dict[str, int]
    groups_of_both_labels: int

    def convert_to_json(self) -> dict[str, object]:
        fields: dict[str, object] = asdict(self)
        del fields["leaks"]
        return fields | asdict(self.leaks) | {"at_chance": self.leaks.after.at_chance}


def build_dataset_card(root: Path, built: Built, *, workers: int) -> DatasetCard:
    """Measure the set; `workers` processes read its pixels, one file at a time in each."""
    by_group: dict[str, set[Verdict]] = {}
    for image in built.images:
        by_group.setdefault(image.require_provenance().group, set()).add(image.label)
    return DatasetCard(
        figures=statistics.compute_statistics(built.images),
        left_out=left_out_file.count_reasons(built.left_out),
        fates={str(fate): n for fate, n in built.fates.most_common()},
        leaks=leaks.measure_leaks(root, built.images, built.framing, workers=workers),
        repaired=RepairedFiles(
            [image.require_provenance().source_file for image in built.images if image.require_provenance().repaired],
            [image.name for image in built.left_out if image.reason == left_out_file.REPAIRED],
        ),
        spent=built.spent,
        annotated_by=dict(Counter(image.require_provenance().annotated_by for image in built.images).most_common()),
        groups_of_both_labels=sum(len(labels) > 1 for labels in by_group.values()),
    )


def write_dataset_card(root: Path, card: DatasetCard, images: Iterable[LabeledImage]) -> None:
    """Write README.md, card.json and the pictures; galleries show the first of the set's `images`."""
    (root / PICTURES).mkdir(exist_ok=True)
    for name, picture in _draw_pictures(root, card.figures, list(images)).items():
        picture.save(root / PICTURES / f"{name}.png")
    (root / JSON_NAME).write_text(json.dumps(card.convert_to_json(), indent=2) + "\n")
    (root / README_NAME).write_text(render(root.resolve().name, card))


def render(name: str, card: DatasetCard) -> str:
    """Render the page as Markdown."""
    figures, both, framing = card.figures, card.groups_of_both_labels, card.leaks.framing
    return TEXT.format(
        name=name,
        manifest=manifest.NAME,
        left_out=left_out_file.NAME,
        images=figures.whole.images,
        frame=FRAMES[framing.frame].format(max_pixels=framing.max_pixels),
        sizes=SIZES[framing.match_sizes],
        repaired=card.repaired,
        bands=spectrum_leak.BANDS,
        spectrum=card.leaks.spectrum,
        spectrum_note=card.leaks.warning,
        min_side=MIN_SIDE_PX,
        quality=JPEG_QUALITY,
        figures="\n".join(_format_statistics(figures)),
        splits="\n".join(
            f"| {split} | {n[Verdict.REAL]} | {n[Verdict.GENERATED]} |" for split, n in _list_splits(figures)
        ),
        groups=figures.groups,
        grouped=figures.grouped,
        both=f"{both} groups hold both classes: look whether their labels are right." if both else "",
        left_out_total=sum(card.left_out.values()),
        left_out_rows=_format_counts(card.left_out),
        fates=_format_counts(card.fates),
        before=card.leaks.before.balanced_accuracy,
        after=card.leaks.after.balanced_accuracy,
        annotators=", ".join(f"{n:,} images by {who}" for who, n in card.annotated_by.items()) + ".",
        spent="\n".join(_format_spent(role, spent) for role, spent in card.spent.items())
        or "| none asked | | | | | | |",
    )


def _draw_pictures(root: Path, figures: SetStatistics, images: list[LabeledImage]) -> dict[str, Image.Image]:
    by_label = figures.by_label
    pictures = {
        "boxes": charts.draw_bars("Images by number of boxes", {k: own.boxes_per_image for k, own in by_label.items()}),
        "areas": charts.draw_bars("Boxes by share of the image", {k: own.areas for k, own in by_label.items()}),
        "keywords": charts.draw_bars(
            "Keywords: explanations that use them", {k: own.keywords for k, own in by_label.items()}
        ),
    }
    for label in Verdict:
        own = [image for image in images if image.label is label][:GALLERY_IMAGES]
        pictures[label.value] = charts.draw_gallery(root, f"{label.capitalize()} images with their boxes", own)
    return pictures


def _format_statistics(figures: SetStatistics) -> list[str]:
    columns = [figures.whole, *(figures.by_label[label] for label in (Verdict.REAL, Verdict.GENERATED))]

    def format_row(title: str, cells: Iterable[str], paper: str) -> str:
        return f"| {title} | {' | '.join(cells)} | {paper} |"

    def format_area(own: ClassStatistics) -> str:
        return "none" if own.area_median is None else f"{own.area_median:.1%}"

    return [
        format_row("images", (f"{own.images:,}" for own in columns), "20,000"),
        format_row("with an explanation", (f"{own.explained:,}" for own in columns), "all"),
        format_row("share with a box", (f"{own.with_box:.1%}" for own in columns), "99.5%"),
        format_row("boxes an image", (f"{own.boxes:.2f}" for own in columns), "3.24"),
        format_row("median box, of the image", (format_area(own) for own in columns), ""),
    ]


def _list_splits(figures: SetStatistics) -> list[tuple[str, Mapping[Verdict, int]]]:
    return [(f"{split} ({share:.0%})", figures.by_split[split]) for split, share in SHARES.items()]


def _list_names(names: Sequence[str]) -> str:
    return ", ".join([*names[:MOST_NAMES], *["and more"] * (len(names) > MOST_NAMES)])


def _format_counts(counts: Mapping[str, int]) -> str:
    return "\n".join(f"| {name} | {n:,} |" for name, n in counts.items()) or "| none | 0 |"


def _format_spent(role: str, spent: Spent) -> str:
    counts = (spent.requests, spent.remembered, spent.unreadable, spent.prompt_tokens, spent.answer_tokens)
    return f"| {role} | {' | '.join(f'{n:,}' for n in counts)} | {spent.usd:.2f} |"
