"""Cache scenes on disk as the model sees them: views and crops, made by the functions that serving uses.

Invariant: a shard's name holds everything on which its content depends, and a shard is whole or absent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline import geometry, images
from pipeline.verdict import BoundingBox, Verdict
from training.common.parallel import run_parallel
from training.common.progress import Progress
from training.common.whole_file import write_whole
from training.dataset import drawn_crops
from training.synthetic import scenes
from training.synthetic.scenes import Detail, Scene

VERSION = 2  # of the content of shards; raise it when scenes or crops change
SHARD_SCENES = 25
VIEW_PIXELS = 140 * 140
CROPS_PER_DETAIL = 2
SHOWS_DETAIL = 0.3

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """Pixels that a model sees, the window of the scene that they show, and the detail that fills it, if any."""

    pixels: Pixels
    window: BoundingBox
    detail: Detail | None


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One scene: its view, crops around each detail (as imprecise as a model's boxes), and one random crop."""

    label: Verdict
    details: tuple[Detail, ...]
    view: Picture
    crops: tuple[tuple[Picture, ...], ...]
    stray: Picture


def build_page(seed: int) -> Page:
    """Draw the scene of this seed and cut its view and crops."""
    scene = scenes.draw_scene(seed)
    rng = np.random.default_rng([seed, VERSION])
    view = images.build_view(scene.image, VIEW_PIXELS)
    whole = BoundingBox(0, 0, *scene.image.size_px)
    crops = tuple(
        tuple(
            _crop(scene, drawn_crops.jitter_box(rng, detail.box, scene.image.size_px)) for _ in range(CROPS_PER_DETAIL)
        )
        for detail in scene.details
    )
    stray = _crop(scene, drawn_crops.draw_stray_box(rng, scene.image.size_px))
    return Page(scene.label, scene.details, Picture(np.asarray(view.pixels), whole, None), crops, stray)


def _crop(scene: Scene, box: BoundingBox) -> Picture:
    window = geometry.find_crop_window(box, scene.image.size_px)
    pixels = np.asarray(images.crop(scene.image, box, VIEW_PIXELS).image.pixels)
    number = find_subject(window, scene.boxes)
    return Picture(pixels, window, None if number is None else scene.details[number])


def find_subject(window: BoundingBox, boxes: Sequence[BoundingBox]) -> int | None:
    """Return the number of the box that covers most of a crop, or None if it covers less than three tenths."""
    covered = [_measure_overlap(window, box) for box in boxes]
    most = max(range(len(boxes)), key=covered.__getitem__, default=None)
    return None if most is None or covered[most] < SHOWS_DETAIL * window.area_px else most


def _measure_overlap(a: BoundingBox, b: BoundingBox) -> int:
    return max(0, min(a.x2, b.x2) - max(a.x1, b.x1)) * max(0, min(a.y2, b.y2) - max(a.y1, b.y1))


def load_pages(cache: Path, *, first_seed: int, count: int, workers: int, title: str = "scenes") -> list[Page]:
    """Load `count` pages from `first_seed` on; `workers` processes draw and store the missing ones."""
    cache.mkdir(parents=True, exist_ok=True)
    starts = range(first_seed, first_seed + count, SHARD_SCENES)
    jobs = [(cache / f"scenes-v{VERSION}-{start}-{SHARD_SCENES}.npz", start) for start in starts]
    missing = [job for job in jobs if not job[0].exists()]
    progress = Progress(title, len(jobs))
    progress.show(len(jobs) - len(missing))
    if missing:
        cached = len(jobs) - len(missing)
        run_parallel(_make_shard, missing, workers, after_each=lambda done: progress.show(cached + done))
    return [page for path, _ in jobs for page in _read_shard(path)][:count]


def _make_shard(job: tuple[Path, int]) -> None:
    path, first_seed = job
    pages = [build_page(seed) for seed in range(first_seed, first_seed + SHARD_SCENES)]
    with write_whole(path) as unfinished, unfinished.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **_pack(pages))


def _pack(pages: Sequence[Page]) -> dict[str, npt.NDArray[np.generic]]:
    """Pack pages into flat arrays: one row for each scene, detail and crop; the pixels of crops end to end."""
    kinds, artifacts = list(scenes.Kind), list(scenes.Artifact)
    details: list[list[int]] = []
    crops: list[list[int]] = []
    pixels: list[Pixels] = []
    for number, page in enumerate(pages):
        for detail in page.details:
            artifact = -1 if detail.artifact is None else artifacts.index(detail.artifact)
            details.append([number, *detail.box.corners, kinds.index(detail.kind), artifact])
        for group, pictures in [*enumerate(page.crops), (-1, (page.stray,))]:
            for picture in pictures:
                about = -1 if picture.detail is None else page.details.index(picture.detail)
                crops.append([number, group, about, *picture.window.corners, *picture.pixels.shape[:2]])
                pixels.append(picture.pixels.reshape(-1))
    return {
        "generated": np.array([page.label is Verdict.GENERATED for page in pages]),
        "views": np.stack([page.view.pixels for page in pages]),
        "details": np.array(details, np.int32),
        "crops": np.array(crops, np.int32),
        "pixels": np.concatenate(pixels),
    }


def _read_shard(path: Path) -> Iterator[Page]:
    with np.load(path) as shard:
        arrays = {name: shard[name] for name in shard.files}
    kinds, artifacts = list(scenes.Kind), list(scenes.Artifact)
    details: list[list[Detail]] = [[] for _ in arrays["views"]]
    for number, x1, y1, x2, y2, kind, artifact in arrays["details"].tolist():
        kind_of_artifact = None if artifact < 0 else artifacts[artifact]
        details[number].append(Detail(BoundingBox(x1, y1, x2, y2), kinds[kind], kind_of_artifact))
    groups: list[dict[int, list[Picture]]] = [{} for _ in arrays["views"]]
    start = 0
    for number, group, about, x1, y1, x2, y2, height, width in arrays["crops"].tolist():
        end = start + height * width * 3
        pixels = arrays["pixels"][start:end].reshape(height, width, 3)
        detail = None if about < 0 else details[number][about]
        groups[number].setdefault(group, []).append(Picture(pixels, BoundingBox(x1, y1, x2, y2), detail))
        start = end
    whole = BoundingBox(0, 0, scenes.SIDE_PX, scenes.SIDE_PX)
    for number, view in enumerate(arrays["views"]):
        label = Verdict.GENERATED if arrays["generated"][number] else Verdict.REAL
        crops = tuple(tuple(groups[number][group]) for group in range(len(details[number])))
        yield Page(label, tuple(details[number]), Picture(view, whole, None), crops, groups[number][-1][0])
