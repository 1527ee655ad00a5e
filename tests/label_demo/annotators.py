"""The people of a round: one in a real browser, two oracles that share the queue, and a third for what they dispute."""

from collections.abc import Callable, Mapping

from pipeline.errors import FatalError
from pipeline.wire.labels import LabelVerdict
from tests.label_demo.oracle import Oracle, Truth
from tests.label_demo.plan import SCREENSHOT, LabelDemoPlan
from tests.support.annotator import Annotator
from tests.support.servers.chromium import Chromium
from tests.support.servers.label_studio import LabelStudioForTests

PROJECT = "ZoomIn"


class Annotators:
    def __init__(
        self,
        plan: LabelDemoPlan,
        server: LabelStudioForTests,
        truths: Mapping[str, Truth],
        notify: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._server = server
        self._truths = truths
        self._notify = notify
        with server.connect() as administrator:
            found = administrator.get("/api/projects", params={"title": PROJECT}).raise_for_status().json()["results"]
        if not found:
            raise FatalError(f"Label Studio has no project {PROJECT}: nothing was pushed")
        self._project = int(found[0]["id"])

    def label_queue(self, chromium: Chromium | None) -> None:
        """Label everything that waits: one oracle most of it, the browser some, a second oracle what needs two.

        A page that is closed keeps the task that it showed last from everybody for an hour, so the browser labels until
        nothing is left for it.
        """
        self._label("ana", most=len(self._truths) - self._plan.browser)
        if chromium is not None:
            self._label_in_browser(chromium, "dora")
        self._label("ben", most=len(self._truths))

    def settle_disputes(self) -> None:
        """Label what the first two annotators disagree about."""
        self._label("cleo", most=len(self._truths))

    def _label_in_browser(self, chromium: Chromium, name: str) -> None:
        """Label the rest of the stream as a person does: look at the page, press a digit, submit."""
        labeled = 0
        with chromium.open_page() as page:
            annotator = Annotator(page, self._server.url)
            annotator.log_in(self._server.invite(name)[0], self._server.password)
            annotator.open_stream(self._project)
            page.screenshot(path=self._plan.out / SCREENSHOT, type="jpeg", quality=80)
            while not annotator.is_done:
                truth = self._truths[self._find_case(annotator.task_id)]
                annotator.choose(LabelVerdict(truth.choose_verdict(name, self._plan.error_fraction)))
                annotator.submit()
                labeled += 1
        self._notify(f"{name} labels {labeled} cases in a browser")

    def _find_case(self, task: int) -> str:
        with self._server.connect() as administrator:
            found = administrator.get(f"/api/tasks/{task}/").raise_for_status().json()
        return str(found["data"]["case_id"])

    def _label(self, name: str, *, most: int) -> None:
        with self._server.connect(self._server.create_user(name)) as client:
            oracle = Oracle(client, name, self._truths, self._plan.error_fraction)
            labeled = oracle.label_stream(self._project, most=most)
        self._notify(f"{name} labels {labeled} cases")
