"""Nothing is lost on the way from landing to cleaned and quarantine."""

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.checks import counts as quality
from cip_assets.orchestration.checks.covered import covered_rows, covered_slice
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.resources import EngineResource, LakeResource


def _conservation_check(source: SourceTable) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="conservation",
        blocking=True,
        additional_deps=[
            dg.AssetKey(["landing", "manifest"]),
            dg.AssetKey(["raw", source.name]),
            dg.AssetKey(["quarantine", source.name]),
        ],
        description="Landed = cleaned + quarantined + superseded, and the amounts agree to the cent.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        manifest = in_step.read_manifest(lake.settings.table_uri("landing", "manifest"))
        raw, cleaned, quarantine = (
            covered_rows(context, engine, lake, contract)
            for contract in (source.raw, source.cleaned, source.quarantine)
        )
        landed = in_step.landed_rows(
            source, manifest.get(source.name, []), covered_slice(context, source.cleaned)
        )
        found = quality.conservation(landed, raw, cleaned, quarantine, source)
        return dg.AssetCheckResult(
            passed=found.holds,
            description=(
                f"{source.name}: {found.landed} landed, {found.raw} raw = {found.cleaned} cleaned + "
                f"{found.quarantined} quarantined + {found.superseded} superseded"
            ),
            metadata={
                "landed": found.landed,
                "cleaned": found.cleaned,
                "quarantined": found.quarantined,
                "superseded": found.superseded,
                "landed_amount": str(found.landed_amount),
                "cleaned_amount": str(found.cleaned_amount),
                "kept_out_amount": str(found.kept_out_amount),
            },
        )

    return check


def _quarantine_share_check(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    limit = rules.quality.max_quarantined_share

    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["quarantine", source.name]),
        name="share",
        additional_deps=[dg.AssetKey(["raw", source.name])],
        description=f"At most {limit:.0%} of the landed lines are quarantined (quality.max_quarantined_share).",
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        raw, quarantine = (
            covered_rows(context, engine, lake, contract) for contract in (source.raw, source.quarantine)
        )
        reasons = quarantine.where("outcome = 'quarantined'").groupBy("reasons").count().collect()
        by_reason = {row["reasons"]: row["count"] for row in reasons}
        lines, kept_out = raw.count(), sum(by_reason.values())
        return dg.AssetCheckResult(
            passed=kept_out <= limit * lines,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{source.name}: {kept_out} of {lines} lines are quarantined",
            metadata={"quarantined": kept_out, "landed": lines, "by_reason": by_reason},
        )

    return check


def conservation_checks(rules: Rules) -> list[dg.AssetChecksDefinition]:
    return [
        *(_conservation_check(source) for source in SOURCE_TABLES.values()),
        *(_quarantine_share_check(source, rules) for source in SOURCE_TABLES.values()),
    ]
