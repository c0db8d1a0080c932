"""The newest month and day are there: a freshness policy looks at an asset as a whole, not at its partitions."""

import dagster as dg

from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES
from cip_assets.orchestration.due.last_day import last_transaction_day
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage import delta


def _latest_month_check(source: SourceTable) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="latest_month",
        additional_deps=[dg.AssetKey(["quarantine", source.name])],
        description="The newest month that landed was ingested.",
    )
    def check(lake: LakeResource) -> dg.AssetCheckResult:
        settings = lake.settings
        manifest = in_step.read_manifest(settings.table_uri("landing", "manifest"))
        landed = in_step.held_by_landing(source, manifest.get(source.name, []))
        ingested = {
            str(month)
            for layer in ("cleaned", "quarantine")
            for month in delta.slices(settings.table_uri(layer, source.name), "month")
        }
        newest = max(landed, default=None)
        return dg.AssetCheckResult(
            passed=newest is None or newest in ingested,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{source.name}: {newest or 'no month'} is the newest that landed, "
            f"{max(ingested, default='none')} the newest that was ingested",
        )

    return check


def _latest_day_check(partitions: Partitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["marts", "customer_360"]),
        name="latest_day",
        additional_deps=[dg.AssetKey(["cleaned", "transactions"])],
        description="There is a snapshot of the last transaction day.",
    )
    def latest_day(lake: LakeResource) -> dg.AssetCheckResult:
        """The last day that something was bought has its customers."""
        settings = lake.settings
        day = last_transaction_day(settings, partitions.today())
        newest = max(delta.slices(settings.table_uri("marts", "customer_360"), "as_of_date"), default=None)
        return dg.AssetCheckResult(
            passed=day is None or (newest is not None and newest >= day),
            severity=dg.AssetCheckSeverity.WARN,
            description=f"the last transaction is of {day}, the newest snapshot of {newest}",
        )

    return latest_day


def presence_checks(partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    """Warnings: an older month or day may be run by itself."""
    return [
        *(_latest_month_check(SOURCE_TABLES[name]) for name in EVENT_TABLES),
        _latest_day_check(partitions),
    ]
