"""The files in ``final`` are what the marts say."""

from collections.abc import Iterator, Mapping

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.layers import CSV_FILES
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage.csv_export import addresses_as_ids, alike_ids, problems_of, sums_of

IDS: Mapping[str, tuple[str, str]] = {
    "customer_360": ("customer_id", "Power BI takes them for one and refuses to load customer_360"),
    "kpi_top_products": ("product_id", "Power BI shows them as one"),
}
"""The files whose rows are of one id each: its column, and what becomes of ids that Power BI cannot tell apart."""


def _warning(file: str, name: str, count: int, description: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(["exports", file]),
        check_name=name,
        passed=not count,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={"ids": count},
    )


def export_checks(rules: Rules, partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    """Every file against its mart, and the files against each other."""

    def spec(name: str, file: str, description: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name,
            asset=dg.AssetKey(["exports", file]),
            partitions_def=partitions.days,
            description=description,
        )

    @dg.multi_asset_check(
        retry_policy=RETRIES,
        name="export_files",
        can_subset=True,
        specs=[
            *(
                spec("file", export.name, "The file has the header and the rows of its mart's day.")
                for export in CSV_FILES
            ),
            *(
                spec("ids_apart", file, "Ids differ in more than case, which Power BI does not see.")
                for file in IDS
            ),
            spec(
                "no_addresses",
                "customer_360",
                "No id of a customer is an e-mail address: ids are not masked.",
            ),
        ],
    )
    def files(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        """Every file against its mart, in one step: a step each would cost more than the checks."""
        settings = lake.settings
        wanted = {(key.asset_key.path[-1], key.name) for key in context.selected_asset_check_keys}
        for export in CSV_FILES:
            mart, day = settings.table_uri("marts", export.mart.table), context.partition_key
            if (export.name, "file") in wanted:
                problems = problems_of(export, mart, day, settings.final, rules)
                yield dg.AssetCheckResult(
                    asset_key=dg.AssetKey(["exports", export.name]),
                    check_name="file",
                    passed=not problems,
                    description="; ".join(problems) or f"{export.name}.csv is whole",
                    metadata={"problems": problems},
                )
            if (export.name, "ids_apart") in wanted:
                column, consequence = IDS[export.name]
                alike = alike_ids(column, mart, day)
                why = (
                    f"{alike} values of {column} differ from another in case alone: {consequence}; "
                    "give them ids that differ in more at the source, or do without Power BI"
                )
                yield _warning(
                    export.name, "ids_apart", alike, why if alike else "ids differ in more than case"
                )
            if (export.name, "no_addresses") in wanted:
                addresses = addresses_as_ids("customer_id", mart, day)
                why = (
                    f"{addresses} values of customer_id are e-mail addresses, which every file and the page show; "
                    "deliver another id"
                )
                yield _warning(
                    export.name, "no_addresses", addresses, why if addresses else "no id is an e-mail address"
                )

    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["exports", "kpi_totals"]),
        name="adds_up",
        partitions_def=partitions.days,
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

    return [files, adds_up]
