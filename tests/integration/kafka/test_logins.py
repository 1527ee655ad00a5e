"""OAUTHBEARER on a real broker, with a token endpoint of our own."""

import asyncio
from uuid import uuid4

import pytest

from pipeline.errors import FatalError
from tests.support.servers.secured import SecuredKafka
from tests.support.servers.token_endpoint import TokenEndpoint
from worker.common.sections import KafkaSettings
from worker.kafka.source import KafkaSource

PATIENCE_S = 60


def build_settings(secured: SecuredKafka, endpoint: TokenEndpoint, **login: str) -> KafkaSettings:
    topics = {f"{name}_topic": secured.kafka.create_topic(name) for name in ("input", "verdict", "dead_letter")}
    return KafkaSettings(
        **topics,
        **secured.build_token_fields(),
        group_id=f"group-{uuid4().hex[:8]}",
        **(endpoint.build_settings() | login),
    )


async def test_token_logs_in_and_is_replaced_before_it_ends(secured_kafka: SecuredKafka) -> None:
    with TokenEndpoint(lifetime_s=3) as endpoint:
        settings = build_settings(secured_kafka, endpoint)
        source = KafkaSource(settings)
        await source.start()
        try:
            async with asyncio.timeout(PATIENCE_S):
                while endpoint.given < 4:
                    await source.poll(max_records=1, paused=frozenset(), committable={}, timeout_s=0.1)
                secured_kafka.kafka.send(settings.input_topic, b"later")
                while not (
                    result := await source.poll(max_records=1, paused=frozenset(), committable={}, timeout_s=0.1)
                ).records:
                    assert not result.lost
        finally:
            await source.close()


async def test_refused_client_is_named_with_its_settings_and_without_its_secret(secured_kafka: SecuredKafka) -> None:
    with TokenEndpoint() as endpoint:
        source = KafkaSource(build_settings(secured_kafka, endpoint, sasl_oauth_client_secret="wrong-horse"))
        with pytest.raises(FatalError, match=r"TOKEN_URL .*CLIENT_SECRET.*401 invalid_client no such") as refused:
            await source.start()
        await source.close()
    assert "wrong-horse" not in str(refused.value)
