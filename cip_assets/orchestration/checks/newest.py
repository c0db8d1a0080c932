"""The newest month and day are there: a freshness policy looks at an asset as a whole, not at its partitions.

Both are warnings, because an older month or day may be run by itself.
"""

import dagster as dg

from cip_assets.ingest import in_step
from cip_assets.ingest.manifest import read_manifest
from cip_assets.orchestration.checks.look import Look, SourceCheck, Verdict
from cip_assets.orchestration.checks.seen import seen_by_only
from cip_assets.orchestration.due.last_day import default_day
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage import delta


def _latest_month(look: Look) -> Verdict:
    settings, name = look.settings, look.source.name
    manifest = read_manifest(settings.table_uri("landing", "manifest"))
    landed = in_step.held_by_landing(look.source, manifest.get(name, []))
    ingested = {
        str(month)
        for layer in ("cleaned", "quarantine")
        for month in delta.slices(settings.table_uri(layer, name), "month")
    }
    newest = max(landed, default=None)
    return Verdict(
        passed=newest is None or newest in ingested,
        description=f"{name}: the newest month that landed is {newest or 'none'}, "
        f"the newest that was ingested {max(ingested, default='none')}",
        is_warning=True,
    )


LATEST_MONTH = SourceCheck(
    name="latest_month",
    description=lambda _source, _rules: "The newest month that landed was ingested.",
    evaluate=_latest_month,
    reads=lambda source: (f"quarantine/{source.name}",),
    applies=lambda source, _rules: source.is_event,
)


def latest_day_check(partitions: Partitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["marts", "kpi_totals"]),
        name="latest_day",
        additional_deps=[dg.AssetKey(["cleaned", "transactions"])],
        description="There is a snapshot of the last transaction day; without transactions, of the last event.",
    )
    def latest_day(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """Compare the day that a snapshot has by default with the newest snapshot."""
        settings = lake.settings
        seen = seen_by_only(context, settings)
        day = default_day(settings, partitions.today())
        # Every snapshot has a row there, even that of a shop without customers.
        newest = delta.newest_slice(settings.table_uri("marts", "kpi_totals"), "as_of_date")
        return dg.AssetCheckResult(
            passed=day is None or (newest is not None and newest >= day),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"The last transaction or event is on {day}; the newest snapshot is of {newest}.",
            metadata=seen,
        )

    return latest_day
