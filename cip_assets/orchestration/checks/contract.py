"""Every table keeps its contract."""

from dataclasses import replace

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import TableContract
from cip_assets.orchestration.checks.counts import broken_rules
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.checks.look import SourceCheck, Verdict
from cip_assets.orchestration.checks.seen import seen_of
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource

NAME = "contract"


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
    name=NAME,
    description=lambda source, _rules: promise(source.cleaned),
    evaluate=lambda look: verdict_of(look.rows(look.source.cleaned), look.source.cleaned),
    reads=lambda _source: (),
    blocking=True,
)


def contract_spec(contract: TableContract, partitions: Partitions) -> dg.AssetCheckSpec:
    """The check of a table of snapshots; it blocks what is downstream while rows break a rule or share a key."""
    return dg.AssetCheckSpec(
        NAME,
        asset=_key(contract),
        blocking=True,
        partitions_def=partitions.of(contract),
        description=promise(contract),
    )


def contract_result(
    context: dg.AssetExecutionContext, engine: EngineResource, lake: LakeResource, contract: TableContract
) -> dg.AssetCheckResult:
    """What that check finds in what is written."""
    seen = seen_of(lake.settings, {_key(contract)})
    verdict = verdict_of(covered_rows(context, engine, lake, contract), contract)
    return replace(verdict, metadata={**verdict.metadata, **seen}).result(_key(contract), NAME)


def _key(contract: TableContract) -> dg.AssetKey:
    return dg.AssetKey([contract.layer, contract.table])
