"""The files in ``final`` are what the marts say."""

from collections.abc import Iterator

import dagster as dg

from cip_assets.automation.limits import RETRIES
from cip_assets.automation.partitions import DAYS
from cip_assets.contracts.exports import EXPORTS
from cip_assets.io.exports import problems_of, sums_of
from cip_assets.resources import LakeResource


@dg.multi_asset_check(
    retry_policy=RETRIES,
    name="export_files",
    can_subset=True,
    specs=[
        dg.AssetCheckSpec(
            "file",
            asset=dg.AssetKey(["exports", export.name]),
            partitions_def=DAYS,
            description="The file has the header and the rows of its mart's day.",
        )
        for export in EXPORTS
    ],
)
def files(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
    """Every file against its mart, in one step: a step each would cost more than the checks."""
    settings = lake.settings
    wanted = {key.asset_key.path[-1] for key in context.selected_asset_check_keys}
    for export in (export for export in EXPORTS if export.name in wanted):
        mart = settings.table_uri("marts", export.mart)
        problems = problems_of(export, mart, context.partition_key, settings.final)
        yield dg.AssetCheckResult(
            asset_key=dg.AssetKey(["exports", export.name]),
            check_name="file",
            passed=not problems,
            description="; ".join(problems) or f"{export.name}.csv is whole",
            metadata={"problems": problems},
        )


@dg.asset_check(
    retry_policy=RETRIES,
    asset=dg.AssetKey(["exports", "kpi_totals"]),
    name="adds_up",
    partitions_def=DAYS,
    additional_deps=[dg.AssetKey(["exports", name]) for name in ("customer_360", "kpi_monthly_revenue")],
    description="The files' customers and months add up to the files' totals, to the cent.",
)
def adds_up(lake: LakeResource) -> dg.AssetCheckResult:
    """The money is the same in every file."""
    sums = sums_of(lake.settings.final)
    return dg.AssetCheckResult(
        passed=len(set(sums.values())) == 1,
        description=", ".join(f"{name} {amount}" for name, amount in sums.items()),
        metadata={name: str(amount) for name, amount in sums.items()},
    )


CHECKS = [files, adds_up]
