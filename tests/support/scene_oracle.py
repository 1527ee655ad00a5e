"""Answer questions about scenes as perfect models would, with injected boxes that purification has to drop."""

import json
import re
from collections import Counter
from collections.abc import Sequence

from pipeline import geometry
from pipeline.verdict import BoundingBox
from tests.support.servers.openai_server import ChatRequest, Reply, build_answer
from training.annotation.purification import Fate
from training.dataset import duplicates, frame
from training.dataset.duplicates import Fingerprint
from training.synthetic.scenes import SIDE_PX, Scene

OBJECT_MARGIN_PX = 60
WHOLE = (0.0, 0.0, float(SIDE_PX), float(SIDE_PX))


class SceneOracle:
    """Recognizes a scene by its perceptual hash. `expect_fates` counts what must become of the injected boxes."""

    def __init__(self, scenes: Sequence[Scene]) -> None:
        self._scenes = scenes
        self._known: list[Fingerprint] = [
            duplicates.compute_fingerprint(frame.apply_codec_chain(scene.image.pixels)) for scene in scenes
        ]

    def recognize_scene(self, asked: ChatRequest) -> int:
        own = duplicates.compute_fingerprint(asked.picture).upright
        return min(range(len(self._known)), key=lambda n: count_differing_bits(own, self._known[n].upright))

    def answer(self, asked: ChatRequest) -> Reply:
        number = self.recognize_scene(asked)
        if asked.text.startswith("This image"):
            return build_answer(self.explain(number))
        if asked.text.startswith("The red frame"):
            return build_answer("Yes." if self._encloses_object(number, asked) else "No, it is a detail.")
        scale = asked.picture.width / SIDE_PX
        named = [
            {"bbox_2d": [round(x * scale) for x in box], "label": shown} for box, shown in self._list_boxes(number)
        ]
        return build_answer(f"```json\n{json.dumps(named)}\n```")

    def explain(self, number: int) -> str:
        parts = (f"{detail.shown} in the {detail.place}" for detail in self._scenes[number].details)
        return f"One looks closely and sees {', then '.join(parts)}."

    def expect_fates(self, numbers: Sequence[int]) -> Counter[Fate]:
        fates: Counter[Fate] = Counter()
        for number in numbers:
            fates.update([Fate.OVER_HALF] if number % 2 == 0 else [])
            fates.update([Fate.REPEATED, Fate.INVERTED, Fate.OUTSIDE] if number % 3 == 0 else [])
            fates.update([Fate.PRIMARY_OBJECT] if number % 5 == 0 else [])
        return fates

    def _list_boxes(self, number: int) -> list[tuple[geometry.Corners, str]]:
        details = self._scenes[number].details
        named: list[tuple[geometry.Corners, str]] = [(detail.box.corners, detail.shown) for detail in details]
        first = details[0].box
        if number % 2 == 0:
            named.append((WHOLE, "the whole image"))
        if number % 3 == 0:
            named.append((first.corners, "the same again"))
            named.append(((first.x2, first.y1, first.x1, first.y2), "inverted"))
            named.append(((600, 600, 700, 700), "beyond the image"))
        if number % 5 == 0:
            named.append((_grow_to_object(first).corners, "the object"))
        return named

    def _encloses_object(self, number: int, asked: ChatRequest) -> bool:
        """Return whether the box is the object's: any box is that does not fit one detail."""
        x1, y1, x2, y2 = map(int, re.findall(r"\d+", asked.text)[:4])
        scale = SIDE_PX / asked.picture.width
        box = BoundingBox(*(round(x * scale) for x in (x1, y1, x2, y2)))
        return all(geometry.iou(box, truth) < 0.7 for truth in self._scenes[number].boxes)


def count_differing_bits(a: str, b: str) -> int:
    """Count the bits in which two perceptual hashes differ."""
    return (int(a, 16) ^ int(b, 16)).bit_count()


def _grow_to_object(box: BoundingBox) -> BoundingBox:
    grown = (box.x1 - OBJECT_MARGIN_PX, box.y1 - OBJECT_MARGIN_PX, box.x2 + OBJECT_MARGIN_PX, box.y2 + OBJECT_MARGIN_PX)
    inside = geometry.clip(grown, (SIDE_PX, SIDE_PX))
    assert inside is not None
    return inside
