"""Freshness: how old the tables of a layer may be, and which tables will soon be stale."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import dagster as dg

from cip_assets.config.rules import Rules

WARN_AT = 0.75
"""The share of the allowed time after which a table will soon be stale."""


def policy_of(layer: str, rules: Rules) -> dg.FreshnessPolicy:
    """The freshness policy of a layer's tables, from ``operations.fresh_for_hours`` of the rules."""
    window = fail_window(layer, rules)
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * WARN_AT)


def fail_window(layer: str, rules: Rules) -> timedelta:
    return timedelta(hours=rules.operations.fresh_for_hours[layer])


def about_to_go_stale(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], now: datetime, rules: Rules
) -> Mapping[dg.AssetKey, int]:
    """The assets that were never materialized, or whose freshness policy warns at the given time.

    Each has the storage id of its last materialization (0 if there is none). The id changes only when the asset is
    refreshed, so it prevents a second request.
    """
    found = {}
    for key in keys:
        event = instance.get_latest_materialization_event(key)
        if event is None:
            found[key] = 0
            continue
        age = now - datetime.fromtimestamp(event.timestamp, UTC)
        if age >= fail_window(key.path[0], rules) * WARN_AT:
            record = instance.fetch_materializations(key, limit=1).records[0]
            found[key] = record.storage_id
    return found
