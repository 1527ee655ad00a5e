"""The people of a round: one in a real browser, two oracles that share the queue, and a third for what they dispute."""

from collections.abc import Callable, Mapping

from pipeline.errors import FatalError
from tests.label_demo.oracle import Oracle, Truth
from tests.label_demo.plan import LabelDemoPlan
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

    def label_queue(self) -> None:
        """Label everything that waits, the tasks with two annotators by both."""
        for name in ("ana", "ben"):
            self._label(name)

    def settle_disputes(self) -> None:
        """Label what the first two annotators disagree about."""
        self._label("cleo")

    def _label(self, name: str) -> None:
        with self._server.connect(self._server.create_user(name)) as client:
            labeled = Oracle(client, name, self._truths, self._plan.error_fraction).label_stream(self._project)
        self._notify(f"{name} labels {labeled} cases")
