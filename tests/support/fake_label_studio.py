"""Label Studio in memory, for the calls that `training.label_studio.client` and annotators make, and no more.

It is as lenient as the real one: any annotation is taken, an import never deduplicates, and one bad task refuses all.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

import httpx
from pydantic import JsonValue

TOKEN = "0123456789abcdef0123456789abcdef01234567"
PERSONAL_TOKEN = "personal.refresh.token"
START = datetime(2026, 1, 1, tzinfo=UTC)
URL = "http://label-studio.test"
Json = dict[str, JsonValue]


@dataclass(slots=True)
class FakeTask:
    id: int
    project: int
    data: Json
    predictions: list[JsonValue]
    updated_at: datetime
    overlap: int = 1
    annotations: list[Json] = field(default_factory=list)


class FakeLabelStudio:
    """Each write happens a second after the one before. `fail_after`: requests that are answered before it is away."""

    def __init__(self) -> None:
        self.projects: list[Json] = []
        self.storages: list[Json] = []
        self.tasks: dict[int, FakeTask] = {}
        self.requests: list[str] = []
        self.fail_after: int | None = None
        self.storage_refusal: tuple[int, str] | None = None
        self.access_token = "access-0"
        self._now = START
        self._last = 0

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def connect(self, user: int = 1) -> httpx.Client:
        """Build a client of an annotator, or of the administrator, who is user 1."""
        headers = {"Authorization": f"Token {TOKEN}", "X-User": str(user)}
        return httpx.Client(base_url=URL, headers=headers, transport=self.transport)

    def expire_access(self) -> None:
        self.access_token = f"access-{len(self.requests)}"

    def handle(self, request: httpx.Request) -> httpx.Response:
        if self.fail_after is not None:
            self.fail_after -= 1
            if self.fail_after < 0:
                raise httpx.ConnectError("away", request=request)
        method, path = request.method, request.url.path.rstrip("/")
        self.requests.append(f"{method} {path}")
        body: JsonValue = json.loads(request.content) if request.content else None
        if path == "/api/token/refresh":
            good = isinstance(body, dict) and body["refresh"] == PERSONAL_TOKEN
            return httpx.Response(200, json={"access": self.access_token}) if good else _refuse(401, "Token is invalid")
        if request.headers.get("Authorization") not in (f"Token {TOKEN}", f"Bearer {self.access_token}"):
            return _refuse(401, "Invalid token.")
        query = {name: values[0] for name, values in parse_qs(request.url.query.decode()).items()}
        route = self._find_route(method, path)
        return route(body, query, request) if route else _refuse(404, "Not found.")

    def _find_route(
        self, method: str, path: str
    ) -> Callable[[JsonValue, dict[str, str], httpx.Request], httpx.Response] | None:
        parts = path.removeprefix("/api/").split("/")
        match method, parts:
            case "GET", ["projects"]:
                return self._list_projects
            case "POST", ["projects"]:
                return self._create_project
            case "GET", ["storages", "s3"]:
                return lambda _body, query, _: httpx.Response(
                    200, json=[one for one in self.storages if str(one["project"]) == query["project"]]
                )
            case "POST", ["storages", "s3"]:
                return self._create_storage
            case "POST", ["projects", project, "import"]:
                return lambda body, _query, _request: self._import(int(project), body)
            case "GET", ["tasks"]:
                return self._list_tasks
            case "PATCH", ["tasks", task]:
                return lambda body, _query, _: self._patch_task(int(task), body)
            case "POST", ["tasks", task, "annotations"]:
                return lambda body, _query, request: self._annotate(int(task), body, request)
            case "PATCH", ["annotations", number]:
                return lambda body, _query, request: self._patch_annotation(int(number), body, request)
            case "POST", ["dm", "actions"]:
                return self._delete_tasks
        return None

    def _list_projects(self, _body: JsonValue, query: dict[str, str], _request: httpx.Request) -> httpx.Response:
        found: list[JsonValue] = [one for one in self.projects if query.get("title", "") in str(one["title"])]
        return httpx.Response(200, json={"count": len(found), "next": None, "results": found})

    def _create_project(self, body: JsonValue, _query: dict[str, str], _request: httpx.Request) -> httpx.Response:
        assert isinstance(body, dict)
        project: Json = {**body, "id": self._count(), "label_config": str(body["label_config"]).strip()}
        self.projects.append(project)
        return httpx.Response(201, json=project)

    def _create_storage(self, body: JsonValue, _query: dict[str, str], _request: httpx.Request) -> httpx.Response:
        assert isinstance(body, dict)
        if self.storage_refusal:
            return _refuse(*self.storage_refusal)
        self.storages.append(body)
        return httpx.Response(201, json=body)

    def _import(self, project: int, body: JsonValue) -> httpx.Response:
        assert isinstance(body, list)
        for task in body:
            assert isinstance(task, dict)
            data = task["data"]
            assert isinstance(data, dict)
            if "image" not in data or data.get("case_id") == "refused":
                return httpx.Response(
                    400, json={"detail": "Validation error", "validation_errors": {"non_field_errors": ["bad task"]}}
                )
        for task in body:
            assert isinstance(task, dict)
            data, predictions = task["data"], task.get("predictions", [])
            assert isinstance(data, dict)
            assert isinstance(predictions, list)
            number = self._count()
            self.tasks[number] = FakeTask(number, project, data, predictions, self._tick())
        return httpx.Response(201, json={"task_count": len(body)})

    def _list_tasks(self, _body: JsonValue, query: dict[str, str], _request: httpx.Request) -> httpx.Response:
        found = [task for task in self.tasks.values() if str(task.project) == query["project"]]
        for item in json.loads(query.get("query", '{"filters": {"items": []}}'))["filters"]["items"]:
            assert item["operator"] == "greater"
            if item["filter"] == "filter:tasks:id":
                found = [task for task in found if task.id > item["value"]]
            else:
                since = datetime.strptime(item["value"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
                found = [task for task in found if task.updated_at > since]
        found.sort(key=lambda task: task.id)
        page = found[: int(query["page_size"])]
        whole = query["fields"] == "all"
        return httpx.Response(200, json={"total": len(found), "tasks": [_describe(task, whole=whole) for task in page]})

    def _patch_task(self, task: int, body: JsonValue) -> httpx.Response:
        assert isinstance(body, dict)
        if task not in self.tasks:
            return _refuse(404, "No Task matches the given query.")
        overlap = body["overlap"]
        assert isinstance(overlap, int)
        self.tasks[task].overlap = overlap
        return httpx.Response(200, json={"overlap": overlap})

    def _annotate(self, task: int, body: JsonValue, request: httpx.Request) -> httpx.Response:
        assert isinstance(body, dict)
        user, now = int(request.headers["X-User"]), self._tick()
        defaults: Json = {"was_cancelled": False, "lead_time": None, "completed_by": user, "updated_by": user}
        annotation: Json = {**defaults, **body, "id": self._count(), "updated_at": _format(now)}
        self.tasks[task].annotations.append(annotation)
        self.tasks[task].updated_at = now
        return httpx.Response(201, json=annotation)

    def _patch_annotation(self, number: int, body: JsonValue, request: httpx.Request) -> httpx.Response:
        assert isinstance(body, dict)
        for task in self.tasks.values():
            for annotation in task.annotations:
                if annotation["id"] == number:
                    task.updated_at = self._tick()
                    changes: Json = {
                        "updated_at": _format(task.updated_at),
                        "updated_by": int(request.headers["X-User"]),
                    }
                    annotation.update(body | changes)
                    return httpx.Response(200, json=annotation)
        return _refuse(404, "No Annotation matches the given query.")

    def _delete_tasks(self, body: JsonValue, query: dict[str, str], _request: httpx.Request) -> httpx.Response:
        assert isinstance(body, dict)
        assert query["id"] == "delete_tasks"
        selected = body["selectedItems"]
        assert isinstance(selected, dict)
        included = selected["included"]
        assert isinstance(included, list)
        for number in included:
            assert isinstance(number, int)
            self.tasks.pop(number, None)
        return httpx.Response(200, json={"processed_items": len(included)})

    def _count(self) -> int:
        self._last += 1
        return self._last

    def _tick(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


def _describe(task: FakeTask, *, whole: bool) -> Json:
    cancelled = sum(bool(annotation["was_cancelled"]) for annotation in task.annotations)
    described: Json = {
        "id": task.id,
        "data": task.data,
        "overlap": task.overlap,
        "total_annotations": len(task.annotations) - cancelled,
        "cancelled_annotations": cancelled,
        "updated_at": _format(task.updated_at),
    }
    if whole:
        annotations: list[JsonValue] = [*task.annotations]
        described |= {"annotations": annotations, "predictions": task.predictions}
    return described


def _format(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"


def _refuse(status: int, detail: str) -> httpx.Response:
    return httpx.Response(status, json={"status_code": status, "detail": detail})
