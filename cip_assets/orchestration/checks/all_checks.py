"""All asset checks that have a step of their own. Tables of snapshots check their contract in theirs."""

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.layers import FACTS_OF, SOURCE_TABLES
from cip_assets.orchestration.checks.files import export_checks
from cip_assets.orchestration.checks.forecasts import predictions_check
from cip_assets.orchestration.checks.newest import latest_day_check
from cip_assets.orchestration.checks.sources import facts_checks, history_checks, source_checks
from cip_assets.orchestration.checks.totals import adds_up_check
from cip_assets.orchestration.partitions import Partitions


def all_checks(rules: Rules, partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    """Every check, with the limits of the rules."""
    return [
        *(source_checks(source, rules) for source in SOURCE_TABLES.values()),
        *(history_checks(source, rules) for source in SOURCE_TABLES.values() if source.history),
        *(facts_checks(facts, rules) for facts in FACTS_OF.values()),
        adds_up_check(partitions),
        latest_day_check(partitions),
        predictions_check(partitions),
        *export_checks(rules, partitions),
    ]
