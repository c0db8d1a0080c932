"""The checks of the tables that land and of their facts: one step a table, since a step each would cost more than the
checks.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.contracts.facts import FactsTable
from cip_assets.contracts.source import SourceTable
from cip_assets.orchestration.checks.conservation import CONSERVATION, QUARANTINED_SHARE
from cip_assets.orchestration.checks.contract import KEEPS_CONTRACT
from cip_assets.orchestration.checks.currencies import ONE_CURRENCY
from cip_assets.orchestration.checks.facts import FACTS_CONSERVATION, FACTS_CONTRACT
from cip_assets.orchestration.checks.history import HISTORY_CONTRACT, HISTORY_UNBROKEN
from cip_assets.orchestration.checks.ids import ONE_LINE_PER_ID, ONE_MONTH_PER_ID
from cip_assets.orchestration.checks.look import Look, SourceCheck
from cip_assets.orchestration.checks.newest import LATEST_MONTH
from cip_assets.orchestration.checks.orphans import ORPHANS
from cip_assets.orchestration.checks.vocabulary import VOCABULARY
from cip_assets.orchestration.limits import RETRIES, priority_of_source
from cip_assets.orchestration.resources import EngineResource, LakeResource

SOURCE_CHECKS: Sequence[SourceCheck] = (
    KEEPS_CONTRACT,
    CONSERVATION,
    ONE_LINE_PER_ID,
    ONE_CURRENCY,
    QUARANTINED_SHARE,
    ONE_MONTH_PER_ID,
    VOCABULARY,
    ORPHANS,
    LATEST_MONTH,
)
"""Those that block what is downstream first: they are evaluated in this order."""


FACTS_CHECKS: Sequence[SourceCheck] = (FACTS_CONTRACT, FACTS_CONSERVATION)

HISTORY_CHECKS: Sequence[SourceCheck] = (HISTORY_CONTRACT, HISTORY_UNBROKEN)


def source_checks(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    """All checks of a table that lands; each can be run by itself too."""
    return _in_one_step(f"check_{source.name}", source, rules, SOURCE_CHECKS)


def facts_checks(facts: FactsTable, rules: Rules) -> dg.AssetChecksDefinition:
    """All checks of a table of facts, in another step, because the facts wait for the checks of their source."""
    return _in_one_step(f"check_{facts.contract.table}", facts.source, rules, FACTS_CHECKS)


def history_checks(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    """All checks of the history of a table that lands."""
    return _in_one_step(f"check_{source.name}_history", source, rules, HISTORY_CHECKS)


def _in_one_step(
    name: str, source: SourceTable, rules: Rules, found: Sequence[SourceCheck]
) -> dg.AssetChecksDefinition:
    checks: dict[dg.AssetCheckKey, SourceCheck] = {}
    for check in found:
        if check.applies(source, rules):
            contract = check.of(source)
            checks[dg.AssetCheckKey(dg.AssetKey([contract.layer, contract.table]), check.name)] = check

    @dg.multi_asset_check(
        name=name,
        retry_policy=RETRIES,
        op_tags=priority_of_source(source),
        can_subset=True,
        specs=[
            dg.AssetCheckSpec(
                check.name,
                asset=key.asset_key,
                blocking=check.blocking,
                additional_deps=[dg.AssetKey(name.split("/")) for name in check.reads(source)],
                description=check.description(source, rules),
            )
            for key, check in checks.items()
        ],
    )
    def evaluate(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> Iterator[dg.AssetCheckResult]:
        look = Look(source, rules, context, engine, lake)
        for key, check in checks.items():
            if key in context.selected_asset_check_keys:
                yield check.evaluate(look).result(key.asset_key, key.name)

    return evaluate
