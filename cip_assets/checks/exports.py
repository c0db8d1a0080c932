"""The files in ``final`` are what the marts say."""

import dagster as dg

from cip_assets.automation.partitions import DAYS
from cip_assets.contracts.exports import EXPORTS, Export
from cip_assets.io.exports import problems_of, sums_of
from cip_assets.resources import LakeResource


def _file_check(export: Export) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=dg.AssetKey(["exports", export.name]),
        name="file",
        partitions_def=DAYS,
        description="The file has the header, rows and order of its mart's day.",
    )
    def check(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        settings = lake.settings
        problems = problems_of(
            export, settings.table_uri("marts", export.mart), context.partition_key, settings.final
        )
        return dg.AssetCheckResult(
            passed=not problems,
            description="; ".join(problems) or f"{export.name}.csv is whole",
            metadata={"problems": problems},
        )

    return check


@dg.asset_check(
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


CHECKS = [*(_file_check(export) for export in EXPORTS), adds_up]
