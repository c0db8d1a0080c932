"""Every table keeps its contract."""

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.automation.limits import FIRST, RETRIES
from cip_assets.automation.partitions import partitions_of
from cip_assets.contracts import TableContract, contracts_in
from cip_assets.transforms.quality import broken_rules

WITH_ROWS = ("cleaned", "features", "marts")
"""The layers whose rows are judged; raw holds what landed, and quarantine what was found wanting."""


def contract_check(contract: TableContract) -> dg.AssetChecksDefinition:
    """Blocks what is downstream while rows break a rule or share a key."""

    @dg.asset_check(
        retry_policy=RETRIES,
        op_tags=FIRST,
        asset=dg.AssetKey([contract.layer, contract.table]),
        name="contract",
        blocking=True,
        partitions_def=partitions_of(contract),
        description=f"{len(contract.rules)} rules, and one row per {', '.join(contract.key)}.",
    )
    def check(table: DataFrame) -> dg.AssetCheckResult:
        broken = broken_rules(table, contract)
        worst = ", ".join(f"{name} ({rows} rows)" for name, rows in sorted(broken.items()))
        return dg.AssetCheckResult(
            passed=not broken,
            description=f"{contract.name}: {worst}" if broken else f"All {len(contract.rules)} rules hold.",
            metadata={"rules": len(contract.rules), "broken": broken},
        )

    return check


CHECKS = [contract_check(contract) for contract in contracts_in(*WITH_ROWS)]
