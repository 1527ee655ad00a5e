import pytest

from pipeline.errors import TopicMissing
from tests.support.servers.services import KafkaForTests, S3ForTests
from worker.common.sections import KafkaSettings, StoreSettings
from worker.common.settings import Settings
from worker.demo import site as demo_site
from worker.kafka.client import read_message_limits
from worker.local.kafka import DEAD_LETTER_MESSAGE_BYTES


@pytest.fixture
def settings(kafka: KafkaForTests, seaweedfs: S3ForTests, monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in seaweedfs.credentials.items():
        monkeypatch.setenv(name, value)
    names = {n.partition("__")[2].lower(): v for n, v in demo_site.NAMES.items() if n.startswith("ZOOMIN_KAFKA__")}
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka.bootstrap_servers, **names),
        store=StoreSettings(endpoint_url=seaweedfs.endpoint_url, buckets=frozenset([demo_site.BUCKET])),
    )


def test_nothing_is_created_on_ones_own_site_without_being_asked(settings: Settings) -> None:
    with pytest.raises(TopicMissing) as caught:
        demo_site.check_site(settings)
    for name in (settings.kafka.input_topic, settings.kafka.dead_letter_topic, demo_site.BUCKET, "--create"):
        assert name in caught.value.detail
    demo_site.create_missing(settings)
    demo_site.check_site(settings)
    demo_site.create_missing(settings)  # what is there stays
    dead_letters = settings.kafka.dead_letter_topic
    assert read_message_limits(settings.kafka, [dead_letters]) == {dead_letters: DEAD_LETTER_MESSAGE_BYTES}
