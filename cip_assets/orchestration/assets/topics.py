"""The topics that `cip stream` reads, as assets that Dagster does not make."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from cip_assets.orchestration.freshness import WARN_AT
from cip_assets.sources.config import Sources

TOPICS = "topics"
"""The group of these assets, and the beginning of their keys."""


def topic_key(topic: str) -> dg.AssetKey:
    return dg.AssetKey([TOPICS, topic])


def topic_keys(sources: Sources | None) -> list[dg.AssetKey]:
    """The assets of the topics that ``sources.yaml`` names."""
    return [topic_key(topic.topic) for topic in sources.kafka.topics] if sources and sources.kafka else []


def topic_assets(sources: Sources | None) -> Sequence[dg.AssetsDefinition]:
    """An asset for each topic. It counts as refreshed whenever `cip stream` has caught up with it."""
    if sources is None or sources.kafka is None:
        return []
    window = timedelta(minutes=sources.kafka.fresh_minutes)
    policy = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * WARN_AT)
    specs = [
        dg.AssetSpec(
            topic_key(topic.topic),
            description=f"The records of the topic {topic.topic}. `cip stream` turns each into a line of "
            f"{topic.table}. An observation says how far it is; a materialization says that it has caught up.",
            group_name=TOPICS,
            kinds={"kafka"},
            freshness_policy=policy,
        )
        for topic in sources.kafka.topics
    ]
    return [dg.AssetsDefinition(specs=[spec]) for spec in specs]
