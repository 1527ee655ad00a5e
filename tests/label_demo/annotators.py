"""The people of a round: one in a real browser, two oracles that share the queue, and a third for what they dispute."""

from collections.abc import Callable, Mapping

from pipeline.wire.labels import LabelVerdict
from tests.label_demo.plan import SCREENSHOT, LabelDemoPlan
from tests.support.annotator import Annotator
from tests.support.label_oracle import Truth, find_project, label_as
from tests.support.servers.chromium import Chromium
from tests.support.servers.label_studio import LabelStudioForTests


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
        self._project = find_project(server)

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
        error_fraction = self._plan.error_fraction
        labeled = label_as(self._server, name, self._project, self._truths, error_fraction=error_fraction, most=most)
        self._notify(f"{name} labels {labeled} cases")
