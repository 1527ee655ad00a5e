from worker.collect.topics import build_deletion_settings, build_review_settings, list_collect_topics
from worker.common.sections import CollectSettings, KafkaSettings
from worker.common.settings import Settings

KAFKA = KafkaSettings(group_id="pool", review_topic="r", review_dead_letter_topic="r.dlt", deletion_topic="d")


def test_each_topic_has_a_group_of_its_own_beside_that_of_the_worker() -> None:
    settings = Settings(kafka=KAFKA)
    reviews, deletions = build_review_settings(settings), build_deletion_settings(settings)
    assert (reviews.group_id, reviews.input_topic, reviews.dead_letter_topic) == ("pool-collect", "r", "r.dlt")
    assert (deletions.group_id, deletions.input_topic) == ("pool-collect-deletions", "d")
    assert deletions.dead_letter_topic == "r.dlt"


def test_a_group_that_is_named_is_taken_as_it_is() -> None:
    settings = Settings(kafka=KAFKA, collect=CollectSettings(group_id="mine"))
    assert build_review_settings(settings).group_id == "mine"
    assert build_deletion_settings(settings).group_id == "mine-deletions"


def test_dead_letters_are_sent_at_least_once_also_beside_a_transactional_worker() -> None:
    settings = Settings(kafka=KAFKA.model_copy(update={"delivery": "exactly_once"}))
    assert build_review_settings(settings).delivery == "at_least_once"


def test_the_topics_that_are_checked_name_their_settings() -> None:
    uses = {(use.topic, use.field, use.right) for use in list_collect_topics(KAFKA)}
    assert uses == {
        ("r", "REVIEW_TOPIC", "READ"),
        ("d", "DELETION_TOPIC", "READ"),
        ("zoomin.verdicts", "VERDICT_TOPIC", "READ"),
        ("r.dlt", "REVIEW_DEAD_LETTER_TOPIC", "WRITE"),
    }
