"""The one door to Label Studio: the calls that we make of its API, each with a deadline; every exception is ours.

Its SDK stays out: it would bring older numpy and OpenCV than vLLM's. Its export is never called: the files that it
leaves on the server outlive the deletion of a task.
"""

import json
import re
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Self, TypeVar

import httpx
from pydantic import BaseModel, JsonValue, TypeAdapter, ValidationError

from pipeline.errors import BadSettings
from training.errors import LabelStudioRefusal, LabelStudioUnavailable
from training.label_studio.answers import (
    AccessToken,
    AnnotatedTask,
    AnnotatedTaskPage,
    Project,
    ProjectPage,
    RefusedCall,
    Storage,
    StoredTask,
    StoredTaskPage,
)
from training.label_studio.tasks import Task

LEGACY_TOKEN = re.compile(r"[0-9a-fA-F]{40}")
ACCESS_LASTS_S = 240.0
"""of the 300 s that the server gives an access token"""
TASKS_A_PAGE = 1000
ANNOTATED_A_PAGE = 100
PROJECTS_A_PAGE = 100
DETAIL_CHARACTERS = 300
BUSY = (httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS)
REFRESH = "/api/token/refresh/"
URL_SETTING, TOKEN_SETTING = "ZOOMIN_TRAIN_LABELS_URL", "ZOOMIN_TRAIN_LABELS_TOKEN"
Shape = TypeVar("Shape", bound=BaseModel)
_STORAGES = TypeAdapter(list[Storage])


class LabelStudio:
    """An open connection. All methods raise LabelStudioUnavailable, LabelStudioRefusal, and BadSettings for a 401."""

    def __init__(self, url: str, token: str, *, timeout_s: float, transport: httpx.BaseTransport | None = None) -> None:
        """Open no connection yet. Raises: BadSettings for a URL or token that cannot be one."""
        if not _is_address(url):
            raise BadSettings(f"{URL_SETTING} must be the address of Label Studio without a login: https://host")
        if not token or not token.isascii() or not token.isprintable():
            raise BadSettings(f"{TOKEN_SETTING} must be a token of Label Studio; its account page makes one")
        self.url = url.rstrip("/")
        legacy = LEGACY_TOKEN.fullmatch(token)
        self._client = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Token {token}"} if legacy else None,
            auth=None if legacy else _PersonalToken(self.url, token),
            timeout=timeout_s,
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._client.close()

    def build_project_url(self, project: int) -> str:
        return f"{self.url}/projects/{project}/data"

    def build_task_url(self, project: int, task: int) -> str:
        """Name the page of a task, for people."""
        return f"{self.build_project_url(project)}?task={task}"

    def find_projects(self, title: str) -> list[Project]:
        """List the projects of exactly this title."""
        return [project for project in self.list_projects(title) if project.title == title]

    def list_projects(self, part_of_title: str = "") -> Iterator[Project]:
        for page in range(1, 1000):
            parameters = {"title": part_of_title, "page": str(page), "page_size": str(PROJECTS_A_PAGE)}
            answer = self._read(ProjectPage, "/api/projects/", {key: text for key, text in parameters.items() if text})
            yield from answer.results
            if not answer.next:
                break

    def create_project(self, title: str, config: str) -> Project:
        """Create a project: one annotator a task, no empty answers, a skipped task goes to somebody else."""
        body: dict[str, JsonValue] = {
            "title": title,
            "label_config": config,
            "description": "Cases of ZoomIn; written by zoomin-train labels push",
            "maximum_annotations": 1,
            "enable_empty_annotation": False,
            "show_skip_button": True,
            "skip_queue": "REQUEUE_FOR_OTHERS",
            "sampling": "Uniform sampling",
        }
        return _parse(Project, self._send("POST", "/api/projects/", body))

    def list_storages(self, project: int) -> list[Storage]:
        return _parse_with(_STORAGES, self._send("GET", "/api/storages/s3", parameters={"project": str(project)}))

    def create_storage(self, project: int, bucket: str, *, access_key: str, secret_key: str, region: str) -> None:
        """Let the server fetch the images of a bucket for the annotators' browsers.

        The server takes the S3's address from its own LABEL_STUDIO_S3_ENDPOINT: it refuses one on a private network.
        """
        body: dict[str, JsonValue] = {
            "project": project,
            "title": "labeling bucket, images alone",
            "bucket": bucket,
            "prefix": "images",
            "regex_filter": r"images/.*\.png",
            "use_blob_urls": True,
            "presign": False,
            "aws_access_key_id": access_key,
            "aws_secret_access_key": secret_key,
            "region_name": region,
        }
        self._send("POST", "/api/storages/s3", body)

    def list_tasks(self, project: int) -> Iterator[StoredTask]:
        """Yield all tasks in the order of their ids."""
        parameters = {
            "fields": "task_only",
            "include": "id,data,overlap,total_annotations,cancelled_annotations",
            "page_size": str(TASKS_A_PAGE),
        }
        after = 0
        while page := self._read(StoredTaskPage, *_page(project, after, parameters)).tasks:
            after = _find_last(page, after)
            yield from page

    def list_annotated(self, project: int, since: datetime | None) -> Iterator[list[AnnotatedTask]]:
        """Yield pages of tasks with their whole annotations that changed after `since`, in the order of their ids.

        A page begins behind the last id of the one before, so a task that is deleted meanwhile hides no other.
        """
        parameters = {"fields": "all", "page_size": str(ANNOTATED_A_PAGE)}
        after = 0
        while page := self._read(AnnotatedTaskPage, *_page(project, after, parameters, since)).tasks:
            after = _find_last(page, after)
            yield page

    def import_tasks(self, project: int, tasks: Sequence[Task]) -> None:
        """Add tasks; all of them or none. Raises: LabelStudioRefusal also if one of them is not accepted."""
        self._send("POST", f"/api/projects/{project}/import", [dict(task) for task in tasks])

    def set_overlap(self, task: int, annotators: int) -> None:
        """Set the number of annotators that a task is for."""
        self._send("PATCH", f"/api/tasks/{task}/", {"overlap": annotators})

    def delete_tasks(self, project: int, tasks: Sequence[int]) -> None:
        """Delete tasks with their predictions and annotations; those that are gone already are no error."""
        for first in range(0, len(tasks), TASKS_A_PAGE):
            body: dict[str, JsonValue] = {
                "selectedItems": {"all": False, "included": list(tasks[first : first + TASKS_A_PAGE])}
            }
            parameters = {"id": "delete_tasks", "project": str(project)}
            self._send("POST", "/api/dm/actions", body, parameters=parameters)

    def _read(self, shape: type[Shape], path: str, parameters: dict[str, str]) -> Shape:
        return _parse(shape, self._send("GET", path, parameters=parameters))

    def _send(
        self, method: str, path: str, body: object = None, *, parameters: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            response = self._client.request(method, path, json=body, params=parameters)
        except httpx.TimeoutException as error:
            raise LabelStudioUnavailable(f"Label Studio at {self.url} gave no answer in time ({path})") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise LabelStudioUnavailable(
                f"Label Studio at {self.url} cannot be reached ({type(error).__name__}); see that it runs, and check "
                f"{URL_SETTING}"
            ) from error
        if not response.is_success:
            raise _translate(self.url, path, response)
        return response


class _PersonalToken(httpx.Auth):
    """Login by a personal access token, which is only good to fetch an access token of a few minutes."""

    requires_response_body = True

    def __init__(self, url: str, token: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url, self._token, self._clock = url, token, clock
        self._access, self._until = "", -float("inf")

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self._clock() >= self._until:
            yield from self._refresh()
        request.headers["Authorization"] = f"Bearer {self._access}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            yield from self._refresh()
            request.headers["Authorization"] = f"Bearer {self._access}"
            yield request

    def _refresh(self) -> Generator[httpx.Request, httpx.Response, None]:
        response = yield httpx.Request("POST", f"{self._url}{REFRESH}", json={"refresh": self._token})
        if not response.is_success:
            raise _translate(self._url, REFRESH, response)
        self._access = _parse(AccessToken, response).access
        self._until = self._clock() + ACCESS_LASTS_S


def _page(
    project: int, after: int, parameters: dict[str, str], since: datetime | None = None
) -> tuple[str, dict[str, str]]:
    filters: list[JsonValue] = [_filter("id", "Number", after)]
    if since is not None:
        filters.append(_filter("updated_at", "Datetime", f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"))
    query = {"filters": {"conjunction": "and", "items": filters}, "ordering": ["tasks:id"]}
    return "/api/tasks", {
        "project": str(project),
        "page": "1",
        "resolve_uri": "false",
        "query": json.dumps(query),
        **parameters,
    }


def _find_last(page: Sequence[StoredTask], after: int) -> int:
    """Return the id behind which the next page begins. Raises: LabelStudioUnavailable if there would be no end."""
    ids = [after, *(task.id for task in page)]
    if any(later <= earlier for earlier, later in pairwise(ids)):
        raise LabelStudioUnavailable("Label Studio does not page tasks by id, as 1.23 does: check its version")
    return ids[-1]


def _is_address(url: str) -> bool:
    try:
        address = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    has_more = address.userinfo or address.query or address.fragment
    return address.scheme in ("http", "https") and bool(address.host) and not has_more


def _filter(column: str, kind: str, value: JsonValue) -> JsonValue:
    return {"filter": f"filter:tasks:{column}", "operator": "greater", "type": kind, "value": value}


def _parse(shape: type[Shape], response: httpx.Response) -> Shape:
    return _parse_with(TypeAdapter(shape), response)


Parsed = TypeVar("Parsed")


def _parse_with(adapter: TypeAdapter[Parsed], response: httpx.Response) -> Parsed:
    try:
        return adapter.validate_json(response.content)
    except ValidationError as error:
        raise LabelStudioUnavailable(
            f"{response.request.url.host} answers {response.request.url.path} as Label Studio does not; check "
            f"{URL_SETTING}, the proxy before it, and its version"
        ) from error


def _translate(url: str, path: str, response: httpx.Response) -> Exception:
    status = response.status_code
    if status == httpx.codes.UNAUTHORIZED:
        return BadSettings(
            f"Label Studio at {url} refuses the token (401): make one on its account page and set {TOKEN_SETTING}. A "
            "legacy token works only where the organization allows it; a new SECRET_KEY voids personal access tokens"
        )
    if response.is_redirect:
        return BadSettings(f"{url} redirects requests ({status}); check {URL_SETTING}, and let its proxy pass the API")
    detail = _read_detail(response)
    if status == httpx.codes.NOT_FOUND:
        return LabelStudioUnavailable(f"Label Studio has no {path} (404): it is deleted, or {URL_SETTING} is wrong")
    if response.is_server_error or status in BUSY:
        return LabelStudioUnavailable(f"Label Studio at {url} cannot serve now ({status} for {path}: {detail})")
    return LabelStudioRefusal(f"Label Studio refuses {path} ({status}): {detail}")


def _read_detail(response: httpx.Response) -> str:
    try:
        refused = RefusedCall.model_validate_json(response.content)
    except ValidationError:
        return response.reason_phrase
    errors = json.dumps(refused.validation_errors) if refused.validation_errors else refused.detail
    return errors[:DETAIL_CHARACTERS]
