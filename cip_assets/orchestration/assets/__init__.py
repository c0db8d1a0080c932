"""The Dagster assets: thin wiring around the tables of ``layers``, made from their declarations."""

from collections.abc import Collection
from typing import cast

import dagster as dg

from cip_assets.audiences.members import Compiled
from cip_assets.config.rules import Rules
from cip_assets.layers import CSV_FILES, FACTS_OF, SOURCE_TABLES, TABLES
from cip_assets.orchestration.assets.audiences import audience_asset
from cip_assets.orchestration.assets.declare import version_of
from cip_assets.orchestration.assets.exports import dashboard_asset, export_asset
from cip_assets.orchestration.assets.facts_asset import facts_asset
from cip_assets.orchestration.assets.landing import export_assets, manifest_asset
from cip_assets.orchestration.assets.sources import clean_asset, history_asset, raw_asset
from cip_assets.orchestration.assets.table_asset import table_asset
from cip_assets.orchestration.freshness import with_policies
from cip_assets.orchestration.partitions import Partitions
from cip_assets.sources.config import Sources


def all_assets(
    rules: Rules,
    partitions: Partitions,
    sources: Sources | None = None,
    audiences: Collection[Compiled] = (),
) -> list[dg.AssetsDefinition]:
    """Every asset, with its freshness policy, and links to the code that defines and computes it."""
    codes = {t.contract.name: version_of(t.contract, t.module, rules=rules) for t in TABLES}
    found = [
        *([export_assets(sources)] if sources and sources.exports else []),
        manifest_asset(rules, partitions, sources),
        *(raw_asset(source, rules, partitions) for source in SOURCE_TABLES.values()),
        *(clean_asset(source, rules, partitions) for source in SOURCE_TABLES.values()),
        *(history_asset(source, rules, partitions) for source in SOURCE_TABLES.values() if source.history),
        *(facts_asset(facts, rules, partitions) for facts in FACTS_OF.values()),
        *(table_asset(table, rules, partitions, codes) for table in TABLES),
        *(export_asset(file, rules, partitions) for file in CSV_FILES),
        dashboard_asset(rules, partitions),
    ]
    linked = cast("list[dg.AssetsDefinition]", dg.with_source_code_references(found))
    # An audience is sent if somebody asks for it, so it does not go stale.
    return [*with_policies(linked, rules), *(audience_asset(each, rules, partitions) for each in audiences)]
