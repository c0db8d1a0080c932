"""A table of facts as an asset: the only wrapper, for every one."""

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.calc.together import together
from cip_assets.config.rules import Rules
from cip_assets.contracts.facts import FactsTable
from cip_assets.orchestration.assets.declare import described, limits
from cip_assets.orchestration.partitions import Partitions


def facts_asset(facts: FactsTable, rules: Rules, partitions: Partitions) -> dg.AssetsDefinition:
    """The asset of a table of facts: it adds up the cleaned events of the months of the run."""
    contract, cleaned = facts.contract, facts.source.cleaned

    @dg.asset(
        **described(contract, facts.module, rules=rules),
        **limits(contract.layer, contract.table),
        ins={"events": dg.AssetIn(key=dg.AssetKey([cleaned.layer, cleaned.table]))},
        partitions_def=partitions.of(contract),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def compute(events: DataFrame) -> DataFrame:
        # One file a month. The lines of a month come together before they are added up, so that the sums need not move.
        return facts(together(events, "month"))

    asset: dg.AssetsDefinition = compute
    return asset
