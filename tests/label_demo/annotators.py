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

    def label_in_browser(self, chromium: Chromium) -> None:
        """Label the first cases of the stream as a person does: look at the page, press a digit, submit."""
        with chromium.open_page() as page:
            annotator = Annotator(page, self._server.url)
            annotator.log_in(self._server.invite("dora")[0], self._server.password)
            annotator.open_stream(self._project)
            for number in range(self._plan.browser):
                truth = self._truths[self._find_case(annotator.task_id)]
                annotator.choose(LabelVerdict(truth.choose_verdict("dora", self._plan.error_fraction)))
                if number == 0:
                    page.screenshot(path=self._plan.out / SCREENSHOT, type="jpeg", quality=80)
                annotator.submit()
        self._notify(f"dora labels {self._plan.browser} cases in a browser")

    def label_queue(self) -> None:
        """Label everything that waits, the tasks with two annotators by both."""
        for name in ("ana", "ben"):
            self._label(name)

    def settle_disputes(self) -> None:
        """Label what the first two annotators disagree about."""
        self._label("cleo")

    def _find_case(self, task: int) -> str:
        with self._server.connect() as administrator:
            found = administrator.get(f"/api/tasks/{task}/").raise_for_status().json()
        return str(found["data"]["case_id"])

    def _label(self, name: str) -> None:
        with self._server.connect(self._server.create_user(name)) as client:
            labeled = Oracle(client, name, self._truths, self._plan.error_fraction).label_stream(self._project)
        self._notify(f"{name} labels {labeled} cases")
