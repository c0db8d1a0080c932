"""The Dagster assets: thin wiring around the tables of ``layers``, made from their declarations."""

from collections.abc import Collection

import dagster as dg

from cip_assets.audiences.members import Compiled
from cip_assets.config.rules import Rules
from cip_assets.layers import CSV_FILES, FACTS_OF, SOURCE_TABLES, TABLES
from cip_assets.orchestration.assets.audiences import audience_asset
from cip_assets.orchestration.assets.declare import LINKS, version_of
from cip_assets.orchestration.assets.exports import dashboard_asset, export_asset
from cip_assets.orchestration.assets.facts_asset import facts_asset
from cip_assets.orchestration.assets.landing import export_assets, manifest_asset
from cip_assets.orchestration.assets.sources import clean_asset, history_asset, raw_asset
from cip_assets.orchestration.assets.table_asset import table_asset
from cip_assets.orchestration.freshness import policy_of
from cip_assets.orchestration.limits import waiting_for
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
    waiting = waiting_for({t.contract.name: {read.name for read in t.reads.values()} for t in TABLES})
    found = [
        *([export_assets(sources)] if sources and sources.exports else []),
        manifest_asset(rules, partitions, sources),
        *(raw_asset(source, rules, partitions) for source in SOURCE_TABLES.values()),
        *(clean_asset(source, rules, partitions) for source in SOURCE_TABLES.values()),
        *(history_asset(source, rules, partitions) for source in SOURCE_TABLES.values() if source.history),
        *(facts_asset(facts, rules, partitions) for facts in FACTS_OF.values()),
        *(table_asset(t, rules, partitions, codes, waiting[t.contract.name]) for t in TABLES),
        *(export_asset(file, rules, partitions) for file in CSV_FILES),
        dashboard_asset(rules, partitions),
    ]
    # An audience is sent if somebody asks for it, so it does not go stale.
    return [
        *(_completed(asset, rules) for asset in found),
        *(audience_asset(each, rules, partitions) for each in audiences),
    ]


def _completed(asset: dg.AssetsDefinition, rules: Rules) -> dg.AssetsDefinition:
    """An asset with its freshness policy, and a link to its wrapper after that to the code that computes it.

    ``dg.with_source_code_references`` adds the same link, but parses each wrapper for it.
    """
    wrapper = asset.op.compute_fn.decorated_fn.__code__  # type: ignore[union-attr]
    link = dg.LocalFileCodeReference(file_path=wrapper.co_filename, line_number=wrapper.co_firstlineno)

    def completed(spec: dg.AssetSpec) -> dg.AssetSpec:
        computed = spec.metadata.get(LINKS)
        links = [*(computed.code_references if computed else ()), link]
        return spec.replace_attributes(
            freshness_policy=policy_of(spec.key.path[0], rules),
            metadata={**spec.metadata, LINKS: dg.CodeReferencesMetadataValue(code_references=links)},
        )

    return asset.map_asset_specs(completed)
