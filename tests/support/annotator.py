"""An annotator in a real browser: logs in, labels in Label Studio's stream by keyboard and mouse, and corrects."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from pipeline.geometry import Size
from pipeline.wire.labels import LabelVerdict

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page, Response

Corners = tuple[float, float, float, float]
"""left, top, right and bottom in pixels of the image"""

VERDICT_KEYS = {LabelVerdict.REAL: "1", LabelVerdict.GENERATED: "2", LabelVerdict.UNSURE: "3"}
ARTIFACT_KEY = "a"
DETAIL_KEY = "d"
NO_VERDICT = "Choose real, generated or unsure"
_TASK_ID = ".lsf-current-task__task-id"
_IMAGE = "img[alt=image]"
_STREAM_END = "All tasks in the queue have been completed"
_IS_NEXT_IMAGE_THERE = """([selector, last]) => {
  const image = document.querySelector(selector);
  return image && image.src !== last && image.complete && image.naturalWidth > 0;
}"""
_IS_CHOSEN = "verdict => document.querySelector(`input[type=radio][name='${verdict}']`)?.checked"


class Annotator:
    """A page of the browser; an action that leaves a task returns when the next image is on the page."""

    def __init__(self, page: "Page", url: str) -> None:
        self.page = page
        self._url = url

    def log_in(self, email: str, password: str) -> None:
        self.page.goto(f"{self._url}/user/login/")
        self.page.fill("input[name=email]", email)
        self.page.fill("input[name=password]", password)
        self.page.keyboard.press("Enter")
        self.page.wait_for_url(f"{self._url}/")

    def open_stream(self, project_id: int) -> None:
        """Open the project and begin with "Label All Tasks"."""
        self.page.goto(f"{self._url}/projects/{project_id}/data")
        self.page.get_by_text("Label All Tasks").click()
        self.page.wait_for_function(_IS_NEXT_IMAGE_THERE, arg=[_IMAGE, ""])

    @property
    def task_id(self) -> int:
        """The number of the task that is shown."""
        return int(self.page.locator(_TASK_ID).evaluate("element => element.firstChild.textContent"))

    @property
    def is_done(self) -> bool:
        """True if no task is left for this annotator."""
        return self.page.get_by_text(_STREAM_END).is_visible()

    def choose(self, verdict: LabelVerdict) -> None:
        self.page.keyboard.press(VERDICT_KEYS[verdict])
        self.page.wait_for_function(_IS_CHOSEN, arg=verdict.value)

    def explain(self, text: str) -> None:
        """Write into the field, and leave it, as Ctrl+Enter does not submit from inside it."""
        self.page.get_by_test_id("textarea-input").click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Tab")

    def draw_box(self, key: str, box: Corners, size: Size) -> Corners:
        """Draw a box with the label of `key`, as near to `box` as whole pixels of the page are; return its corners."""
        frame = self._find_frame()
        start, end = _find_page_point(frame, box[0], box[1], size), _find_page_point(frame, box[2], box[3], size)
        self.page.keyboard.press(key)
        self._drag(start, end)
        return (*_find_image_point(frame, start, size), *_find_image_point(frame, end, size))

    def move_box(self, box: Corners, across_px: int, down_px: int, size: Size) -> Corners:
        """Move a box by pixels of the page, and return its new corners."""
        frame = self._find_frame()
        x, y = _find_page_point(frame, (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, size)
        self.page.mouse.click(x, y)
        self._drag((x, y), (x + across_px, y + down_px))
        across, down = across_px * size[0] / frame["width"], down_px * size[1] / frame["height"]
        return box[0] + across, box[1] + down, box[2] + across, box[3] + down

    def delete_box(self, box: Corners, size: Size) -> None:
        middle = _find_page_point(self._find_frame(), (box[0] + box[2]) / 2, (box[1] + box[3]) / 2, size)
        self.page.mouse.click(*middle)
        self.page.keyboard.press("Backspace")

    def submit(self) -> None:
        with self._leave_task():
            self.page.keyboard.press("Control+Enter")

    def submit_in_vain(self) -> None:
        """Submit without a verdict, and dismiss the warning."""
        self.page.keyboard.press("Control+Enter")
        self.page.get_by_text(NO_VERDICT).wait_for()
        self.page.get_by_role("button", name="OK").click()
        self.page.get_by_text(NO_VERDICT).wait_for(state="hidden")

    def skip(self) -> None:
        with self._leave_task():
            self.page.keyboard.press("Control+Space")

    def update(self) -> None:
        """Save a correction of the task that is shown; the page stays there."""
        with self.page.expect_response(lambda response: _is_answer(response, "PATCH", "/annotations/")):
            self.page.keyboard.press("Control+Enter")

    def go_back(self) -> None:
        """Show the previous task again."""
        last = self._find_image_source()
        self.page.get_by_test_id("prev-task").click()
        self.page.wait_for_function(_IS_NEXT_IMAGE_THERE, arg=[_IMAGE, last])

    def go_on(self) -> None:
        """Leave a corrected task."""
        last = self._find_image_source()
        self.page.get_by_test_id("next-task").click()
        self.page.wait_for_function(_IS_NEXT_IMAGE_THERE, arg=[_IMAGE, last])

    @contextmanager
    def _leave_task(self) -> Iterator[None]:
        """Expect the block to save the task; wait for the next one, or for the end of the stream."""
        last = self._find_image_source()
        with (
            self.page.expect_response(lambda response: _is_answer(response, "POST", "id=next_task")) as next_task,
            self.page.expect_response(lambda response: _is_answer(response, "POST", "/annotations")) as saved,
        ):
            yield
        assert saved.value.ok, saved.value.text()
        if next_task.value.ok:
            self.page.wait_for_function(_IS_NEXT_IMAGE_THERE, arg=[_IMAGE, last])
        else:
            self.page.get_by_text(_STREAM_END).wait_for()

    def _drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        mouse.move(*end, steps=4)
        mouse.up()
        self.page.keyboard.press("Escape")  # deselects the box

    def _find_frame(self) -> "FloatRect":
        """Return the place of the whole image on the page."""
        frame = self.page.locator(_IMAGE).bounding_box()
        assert frame is not None, "the image is not on the page"
        return frame

    def _find_image_source(self) -> str | None:
        return self.page.locator(_IMAGE).get_attribute("src")


def _find_page_point(frame: "FloatRect", x: float, y: float, size: Size) -> tuple[int, int]:
    """Find the whole pixel of the page where a point of the image is: a mouse stands on whole pixels."""
    return round(frame["x"] + x * frame["width"] / size[0]), round(frame["y"] + y * frame["height"] / size[1])


def _find_image_point(frame: "FloatRect", point: tuple[int, int], size: Size) -> tuple[float, float]:
    return (point[0] - frame["x"]) * size[0] / frame["width"], (point[1] - frame["y"]) * size[1] / frame["height"]


def _is_answer(response: "Response", method: str, part: str) -> bool:
    return response.request.method == method and part in response.url
