"""The whole corpus, made by code and the same in every run."""

from functools import cache

from tests.hostile.addresses import Ground, hostile_urls
from tests.hostile.animations import animations
from tests.hostile.answers import hostile_answers
from tests.hostile.broken_files import broken_files
from tests.hostile.entries import HostileAnswer, HostileEvent, HostileImage
from tests.hostile.greedy_files import greedy_files
from tests.hostile.pages import tiff_pages
from tests.hostile.pictures import odd_pictures
from tests.hostile.records import hostile_records


@cache
def images() -> list[HostileImage]:
    return [*odd_pictures(), *animations(), *tiff_pages(), *broken_files(), *greedy_files()]


def events(ground: Ground) -> list[HostileEvent]:
    return [*hostile_urls(ground), *hostile_records(ground)]


def answers() -> list[HostileAnswer]:
    return list(hostile_answers())
