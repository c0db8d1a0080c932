"""The sensor of the topics: it reports how far `cip stream` is with each."""

import time
from collections.abc import Iterator, Mapping
from typing import Any

import dagster as dg

from cip_assets.orchestration.assets.topics import topic_key
from cip_assets.orchestration.resources import LakeResource
from cip_assets.sources.config import load_sources
from cip_assets.sources.streams.lag import TopicState, told
from cip_assets.sources.streams.topics import Kafka

NAME = "topics"
SECONDS = 30

CAUGHT_UP = 60.0
"""A topic has been caught up with if what lands is at most this many seconds older than it would be at once."""


@dg.sensor(
    name=NAME,
    minimum_interval_seconds=SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Reports how far cip stream is with the topics that sources.yaml names. A topic that is not caught up "
    "with in the time that its freshness policy allows becomes stale, and stale_tables sends an alert.",
)
def topics(lake: LakeResource) -> dg.SensorResult:
    """Report an observation of each topic, and a materialization of each that was caught up with."""
    sources = load_sources(lake.settings.data_dir)
    if sources is None or sources.kafka is None:
        return dg.SensorResult(skip_reason="sources.yaml names no topics")
    now = time.time()
    events = list(reports(sources.kafka, told(lake.settings.data_dir, now), now))
    if not events:
        return dg.SensorResult(skip_reason="cip stream does not run")
    return dg.SensorResult(asset_events=events)


def reports(
    kafka: Kafka, states: Mapping[str, TopicState], now: float
) -> Iterator[dg.AssetObservation | dg.AssetMaterialization]:
    """What to report of the topics that ``sources.yaml`` names."""
    for topic in kafka.topics:
        state = states.get(topic.topic)
        if state is None:
            continue
        behind = state.behind(now)
        metadata: dict[str, Any] = {
            "lag": state.lag,
            "seconds_behind": round(behind, 1),
            "records_per_second": state.per_second,
            "newest_offsets": {str(p.partition): p.landed_to - 1 for p in state.partitions},
            **({"newest_record": dg.MetadataValue.timestamp(state.newest)} if state.newest else {}),
        }
        yield dg.AssetObservation(topic_key(topic.topic), metadata=metadata)
        if behind <= CAUGHT_UP + kafka.seconds:
            yield dg.AssetMaterialization(topic_key(topic.topic), metadata=metadata)
