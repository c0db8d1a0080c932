"""Every table keeps its contract."""

from dataclasses import replace

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import TableContract
from cip_assets.layers import contracts_in
from cip_assets.orchestration.checks.counts import broken_rules
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.checks.look import SourceCheck, Verdict
from cip_assets.orchestration.checks.seen import seen_by_only
from cip_assets.orchestration.limits import FIRST, RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource


def promise(contract: TableContract) -> str:
    return f"{len(contract.rules)} rules, and one row per {', '.join(contract.key)}."


def verdict_of(rows: DataFrame, contract: TableContract) -> Verdict:
    broken = broken_rules(rows, contract)
    worst = ", ".join(
        f"{name} ({count} {'row' if count == 1 else 'rows'})" for name, count in sorted(broken.items())
    )
    remedies = dict.fromkeys(contract.remedies[name] for name in broken if name in contract.remedies)
    return Verdict(
        passed=not broken,
        description="; ".join([f"{contract.name}: {worst}", *remedies])
        if broken
        else f"All {len(contract.rules)} rules hold.",
        metadata={"rules": len(contract.rules), "broken": broken},
    )


KEEPS_CONTRACT = SourceCheck(
    name="contract",
    description=lambda source, _rules: promise(source.cleaned),
    evaluate=lambda look: verdict_of(look.rows(look.source.cleaned), look.source.cleaned),
    reads=lambda _source: (),
    blocking=True,
)


def contract_check(contract: TableContract, partitions: Partitions) -> dg.AssetChecksDefinition:
    """The check of a table of snapshots; it blocks what is downstream while rows break a rule or share a key."""

    @dg.asset_check(
        retry_policy=RETRIES,
        op_tags=FIRST,
        asset=dg.AssetKey([contract.layer, contract.table]),
        name="contract",
        blocking=True,
        partitions_def=partitions.of(contract),
        description=promise(contract),
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        seen = seen_by_only(context, lake.settings)
        verdict = verdict_of(covered_rows(context, engine, lake, contract), contract)
        return replace(verdict, metadata={**verdict.metadata, **seen}).result(
            dg.AssetKey([contract.layer, contract.table]), "contract"
        )

    return check


def contract_checks(partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    return [contract_check(contract, partitions) for contract in contracts_in("features", "marts")]
