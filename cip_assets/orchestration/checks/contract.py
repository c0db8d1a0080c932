"""Every table keeps its contract."""

import dagster as dg

from cip_assets.contracts.contract import TableContract
from cip_assets.layers import contracts_in
from cip_assets.orchestration.checks.counts import broken_rules
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.limits import FIRST, RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource

WITH_ROWS = ("cleaned", "features", "marts")
"""The layers whose rows are judged; raw holds what landed, and quarantine what was found wanting."""


def contract_check(contract: TableContract, partitions: Partitions) -> dg.AssetChecksDefinition:
    """Blocks what is downstream while rows break a rule or share a key."""

    @dg.asset_check(
        retry_policy=RETRIES,
        op_tags=FIRST,
        asset=dg.AssetKey([contract.layer, contract.table]),
        name="contract",
        blocking=True,
        partitions_def=partitions.of_check(contract),
        description=f"{len(contract.rules)} rules, and one row per {', '.join(contract.key)}.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        broken = broken_rules(covered_rows(context, engine, lake, contract), contract)
        worst = ", ".join(f"{name} ({rows} rows)" for name, rows in sorted(broken.items()))
        return dg.AssetCheckResult(
            passed=not broken,
            description=f"{contract.name}: {worst}" if broken else f"All {len(contract.rules)} rules hold.",
            metadata={"rules": len(contract.rules), "broken": broken},
        )

    return check


def contract_checks(partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    return [contract_check(contract, partitions) for contract in contracts_in(*WITH_ROWS)]
