"""The files in ``final`` agree with the marts."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.ingest.in_step import last_write
from cip_assets.layers import CSV_FILES
from cip_assets.orchestration.assets.exports import code_of_file
from cip_assets.orchestration.checks.seen import seen_by, seen_by_only
from cip_assets.orchestration.due.exported import Made, file_written, last_made
from cip_assets.orchestration.limits import LAST_DAY, RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import LakeResource
from cip_assets.storage.csv_export import addresses_as_ids, alike_ids, problems_of, sums_of

IDS: Mapping[str, tuple[str, str]] = {
    "customer_360": ("customer_id", "Power BI treats them as one id and refuses to load customer_360"),
    "kpi_top_products": ("product_id", "Power BI shows them as one product"),
}
"""The files with one row per id: the id's column, and what Power BI does with ids that it cannot tell apart."""


def _key(file: str) -> dg.AssetKey:
    return dg.AssetKey(["exports", file])


def _warning(
    file: str, name: str, count: int, description: str, seen: Mapping[dg.AssetCheckKey, dict[str, Any]]
) -> dg.AssetCheckResult:
    key = dg.AssetCheckKey(_key(file), name)
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=name,
        passed=not count,
        severity=dg.AssetCheckSeverity.WARN,
        description=description,
        metadata={"ids": count, **seen[key]},
    )


def is_as_written(settings: Settings, made: Made, file: CsvFile, day: date, code: str) -> bool:
    """Whether the current code wrote a file, as it is on disk, from all rows of its mart's day as they are now.

    Then no row of it needs to be read again: at a million customers, comparing the files with the marts took as long as
    writing them.
    """
    written = file_written(settings, made, day)
    mart = last_write(settings, file.mart.name, day)
    if written is None or mart is None:
        return False
    is_whole = file.spread is not None or written.row_count == mart.row_count
    return written.code_version == code and written.shows(settings, file.mart.name, mart) and is_whole


def export_checks(rules: Rules, partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    """Every file against its mart, and the files against each other."""
    codes = {file.name: code_of_file(file, rules) for file in CSV_FILES}

    def spec(name: str, file: str, description: str) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(
            name,
            asset=_key(file),
            partitions_def=partitions.days,
            description=description,
        )

    @dg.multi_asset_check(
        retry_policy=RETRIES,
        op_tags=LAST_DAY,  # in a run of several days, the files are those of the last one
        name="export_files",
        can_subset=True,
        specs=[
            *(
                spec("file", export.name, "The file has the header and the rows of its mart's day.")
                for export in CSV_FILES
            ),
            *(
                spec("ids_apart", file, "Ids differ in more than case, because Power BI ignores case.")
                for file in IDS
            ),
            spec(
                "no_addresses",
                "customer_360",
                "No customer id is an email address: ids are not masked.",
            ),
        ],
    )
    def files(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> Iterator[dg.AssetCheckResult]:
        """Compare every file with its mart. All are one step, because a step each would cost more than the checks."""
        settings, seen = lake.settings, seen_by(context, lake.settings)
        wanted = {(key.asset_key.path[-1], key.name) for key in context.selected_asset_check_keys}
        made = last_made(context.instance, [_key(export.name) for export in CSV_FILES])
        for export in CSV_FILES:
            mart, day = settings.table_uri("marts", export.mart.table), context.partition_key
            if (export.name, "file") in wanted:
                is_known = is_as_written(
                    settings, made[_key(export.name)], export, date.fromisoformat(day), codes[export.name]
                )
                problems = [] if is_known else problems_of(export, mart, day, settings.final, rules)
                yield dg.AssetCheckResult(
                    asset_key=_key(export.name),
                    check_name="file",
                    passed=not problems,
                    description="; ".join(problems) or f"{export.name}.csv agrees with its mart",
                    metadata={
                        "problems": problems,
                        **seen[dg.AssetCheckKey(_key(export.name), "file")],
                    },
                )
            if (export.name, "ids_apart") in wanted:
                column, consequence = IDS[export.name]
                alike = alike_ids(column, mart, day)
                why = (
                    f"{alike} values of {column} differ from another only in case: {consequence}; "
                    "change the ids at the source, or do not use Power BI"
                )
                description = why if alike else "ids differ in more than case"
                yield _warning(export.name, "ids_apart", alike, description, seen)
            if (export.name, "no_addresses") in wanted:
                addresses = addresses_as_ids("customer_id", mart, day)
                why = (
                    f"{addresses} values of customer_id are email addresses, which every file and the dashboard show; "
                    "deliver another id"
                )
                description = why if addresses else "no id is an email address"
                yield _warning(export.name, "no_addresses", addresses, description, seen)

    @dg.asset_check(
        retry_policy=RETRIES,
        op_tags=LAST_DAY,
        asset=_key("kpi_totals"),
        name="adds_up",
        partitions_def=partitions.days,
        additional_deps=[_key(name) for name in ("customer_360", "kpi_monthly_revenue")],
        description="The files' customers and months add up to the files' totals, to the cent.",
    )
    def adds_up(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        """The money is the same in every file."""
        seen = seen_by_only(context, lake.settings)
        sums = sums_of(lake.settings.final)
        return dg.AssetCheckResult(
            passed=len(set(sums.values())) == 1,
            description=", ".join(f"{name} {amount}" for name, amount in sums.items()),
            metadata={**{name: str(amount) for name, amount in sums.items()}, **seen},
        )

    return [files, adds_up]
