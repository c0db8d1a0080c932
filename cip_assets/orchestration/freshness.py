"""How old a table may be, by layer, and the refresh of what is about to be too old."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from cip_assets.config.rules import Rules

WARN_AT = 0.75
"""The share of its time after which a table is about to go stale."""


def policy_of(layer: str, rules: Rules) -> dg.FreshnessPolicy:
    """The freshness policy of a layer's tables, from ``operations.fresh_for_hours`` of the business rules."""
    window = fail_window(layer, rules)
    return dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * WARN_AT)


def fail_window(layer: str, rules: Rules) -> timedelta:
    return timedelta(hours=rules.operations.fresh_for_hours[layer])


def with_policies(assets: Sequence[dg.AssetsDefinition], rules: Rules) -> list[dg.AssetsDefinition]:
    """The assets, each with the policy of its layer."""
    return [
        asset.map_asset_specs(
            lambda spec: spec.replace_attributes(freshness_policy=policy_of(spec.key.path[0], rules))
        )
        for asset in assets
    ]


def about_to_go_stale(
    instance: dg.DagsterInstance, keys: Iterable[dg.AssetKey], now: datetime, rules: Rules
) -> Mapping[dg.AssetKey, int]:
    """The assets that were never materialized or whose policy warns at a moment.

    Each comes with the storage id of its last materialization (0 where there is none), which is the latch: it
    changes when the asset has been refreshed, and not before.
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
