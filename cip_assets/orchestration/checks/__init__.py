"""Asset checks: what must hold before anything downstream may be believed.

``contract`` turns every contract into a check; ``conservation`` and ``integrity`` look across tables;
``presence`` looks for the newest month and day, ``exports`` at the files, ``predictions`` at what came of
predictions. A blocking check stops what is downstream; the others warn.
"""

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.orchestration.checks.conservation import conservation_checks
from cip_assets.orchestration.checks.contract import contract_checks
from cip_assets.orchestration.checks.exports import export_checks
from cip_assets.orchestration.checks.integrity import integrity_checks
from cip_assets.orchestration.checks.predictions import predictions_check
from cip_assets.orchestration.checks.presence import presence_checks
from cip_assets.orchestration.partitions import Partitions


def all_checks(rules: Rules, partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    """Every check, with the limits of the rules."""
    return [
        *contract_checks(partitions),
        *conservation_checks(rules),
        *integrity_checks(rules, partitions),
        *presence_checks(partitions),
        predictions_check(partitions),
        *export_checks(rules, partitions),
    ]
