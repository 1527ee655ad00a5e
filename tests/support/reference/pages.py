"""Name the pages of docs/reference/ with the functions that build them."""

from collections.abc import Callable, Mapping

from tests.support.reference.commands import build_commands_page
from tests.support.reference.error_codes import build_error_codes_page
from tests.support.reference.events import build_events_page
from tests.support.reference.metrics import build_metrics_page
from tests.support.reference.settings import build_settings_page

PAGES: Mapping[str, Callable[[], str]] = {
    "settings.md": build_settings_page,
    "metrics.md": build_metrics_page,
    "events.md": build_events_page,
    "error-codes.md": build_error_codes_page,
    "commands.md": build_commands_page,
}
