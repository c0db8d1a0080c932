"""Tables agree with each other: orphans, ids in two months or on lines that differ, unknown words, the marts' sums."""

from datetime import date

import dagster as dg

from cip_assets.calc.as_of import until
from cip_assets.config.rules import Rules
from cip_assets.contracts.source import SourceTable
from cip_assets.ingest import in_step
from cip_assets.ingest.conflicts import conflicting_ids
from cip_assets.layers import EVENT_TABLES, SOURCE_TABLES, contract_of
from cip_assets.layers.cleaned.judge import unknown_words
from cip_assets.orchestration.checks import counts as quality
from cip_assets.orchestration.checks.covered import covered_rows, covered_slice
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage import delta

SHOWN = 20
"""How many examples a check's metadata lists."""


def _vocabulary_check(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="vocabulary",
        description="Every word is in the vocabulary of the business rules; unknown ones stay as they came.",
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        table = covered_rows(context, engine, lake, source.cleaned)
        unknown = unknown_words(table, source, rules)
        listed = {f"{column} = {word}": rows for column, word, rows in unknown[:SHOWN]}
        return dg.AssetCheckResult(
            passed=not unknown,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{source.name}: {len(unknown)} unknown words; add them to the rules, or mend the source",
            metadata={"unknown_words": len(unknown), "examples": listed},
        )

    return check


def _one_month_check(source: SourceTable) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="one_month_per_id",
        additional_deps=[dg.AssetKey(["quarantine", source.name])],
        description="Every id is in one month only, that of its newest line. Until it is, no snapshot is computed.",
    )
    def check(lake: LakeResource) -> dg.AssetCheckResult:
        months = sorted(in_step.moved(lake.settings, source))
        listed = ", ".join(month[:7] for month in months)
        return dg.AssetCheckResult(
            passed=not months,
            # What `cip run` and the sensor do next anyway is no alert.
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{source.name}: lines moved between months; run the job ingest for {listed} again"
            if months
            else f"{source.name}: every id is in one month",
            metadata={"run_again": months},
        )

    return check


REMEDY = (
    "each line needs an id of its own, such as order id and line number; or deliver corrections in a later dt= "
    "folder; or raise quality.max_conflicting_ids_share, if the last line of each id is right"
)


def _one_line_check(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    limit = rules.quality.max_conflicting_ids_share

    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="one_line_per_id",
        blocking=True,
        additional_deps=[dg.AssetKey(["raw", source.name]), dg.AssetKey(["quarantine", source.name])],
        description=(
            "No id stands on lines of one file that differ: of those the last alone would count. Blocks above "
            f"{limit:.1%} of a month's ids (quality.max_conflicting_ids_share); one alone only warns."
        ),
    )
    def check(context: dg.AssetCheckExecutionContext, lake: LakeResource) -> dg.AssetCheckResult:
        found = conflicting_ids(lake.settings, source, covered_slice(context, source.cleaned))
        several = found.in_one_file + found.across_files
        is_error = found.exceeds(limit)
        return dg.AssetCheckResult(
            passed=not several,
            severity=dg.AssetCheckSeverity.ERROR if is_error else dg.AssetCheckSeverity.WARN,
            description=(
                f"{source.name}: {several} ids stand on several lines of one delivery that differ, and of each the "
                f"last line alone counts ({'; '.join(found.places)}): {REMEDY}"
                if several
                else f"{source.name}: no id stands on lines of one delivery that differ"
            ),
            metadata={
                "in_one_file": found.in_one_file,
                "across_files": found.across_files,
                "examples": list(found.places),
            },
        )

    return check


def _orphan_check(source: SourceTable, rules: Rules) -> dg.AssetChecksDefinition:
    limit = rules.quality.max_orphan_share

    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["cleaned", source.name]),
        name="orphans",
        additional_deps=[dg.AssetKey(["cleaned", "customers"])],
        description=f"At most {limit:.0%} of the rows have an unknown customer (quality.max_orphan_share).",
    )
    def check(
        context: dg.AssetCheckExecutionContext, engine: EngineResource, lake: LakeResource
    ) -> dg.AssetCheckResult:
        if not delta.exists(lake.settings.table_uri("cleaned", "customers")):
            return dg.AssetCheckResult(
                passed=False,
                severity=dg.AssetCheckSeverity.WARN,
                description=f"{source.name}: cleaned/customers is not written yet, so nobody is known",
            )
        table, customers = (
            covered_rows(context, engine, lake, contract)
            for contract in (source.cleaned, SOURCE_TABLES["customers"].cleaned)
        )
        orphans, rows = quality.orphans(table, customers)
        return dg.AssetCheckResult(
            passed=orphans <= limit * rows,
            severity=dg.AssetCheckSeverity.WARN,
            description=f"{source.name}: {orphans} of {rows} rows have a customer that customers lacks",
            metadata={"orphans": orphans, "rows": rows},
        )

    return check


def _adds_up_check(partitions: Partitions) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        retry_policy=RETRIES,
        asset=dg.AssetKey(["marts", "kpi_totals"]),
        name="adds_up",
        blocking=True,
        partitions_def=partitions.days,
        additional_deps=[
            dg.AssetKey(name.split("/"))
            for name in (
                "marts/customer_360",
                "marts/kpi_monthly_revenue",
                "cleaned/transactions",
                "cleaned/returns",
            )
        ],
        description="Cleaned amounts = customer_360 + orphans = months = total, to the cent; one row per customer.",
    )
    def adds_up(
        context: dg.AssetCheckExecutionContext,
        engine: EngineResource,
        lake: LakeResource,
    ) -> dg.AssetCheckResult:
        """The money of a snapshot is the money of its transactions."""
        day = date.fromisoformat(context.partition_key)
        # Read here and not as inputs: a check looks at a snapshot also when it is out of date.
        totals, customer_360, monthly = (
            covered_rows(context, engine, lake, contract_of("marts", table))
            for table in ("kpi_totals", "customer_360", "kpi_monthly_revenue")
        )
        transactions, returns = (
            delta.read(engine.spark_session, lake.settings.table_uri("cleaned", table))
            for table in ("transactions", "returns")
        )
        stated = totals.collect()[0]
        found = {
            "cleaned_transactions": quality.total(until(transactions, "transaction_date", day), "amount"),
            "customer_360_and_orphans": quality.total(customer_360, "monetary_value")
            + stated["orphan_revenue"],
            "monthly_revenue": quality.total(monthly, "monthly_revenue"),
        }
        returned = quality.total(until(returns, "return_date", day), "amount")
        customers = customer_360.count()
        passed = (
            set(found.values()) == {stated["total_revenue"]}
            and returned == stated["returned_amount"]
            and customers == stated["total_customers"]
        )
        return dg.AssetCheckResult(
            passed=passed,
            description=f"total_revenue is {stated['total_revenue']}",
            metadata={
                "total_revenue": str(stated["total_revenue"]),
                **{name: str(amount) for name, amount in found.items()},
                "cleaned_returns": str(returned),
                "returned_amount": str(stated["returned_amount"]),
                "customers": customers,
            },
        )

    return adds_up


def integrity_checks(rules: Rules, partitions: Partitions) -> list[dg.AssetChecksDefinition]:
    events = [SOURCE_TABLES[name] for name in EVENT_TABLES]
    wordy = {key.split(".")[0] for key in rules.vocabulary}
    return [
        *(_vocabulary_check(source, rules) for name, source in SOURCE_TABLES.items() if name in wordy),
        *(_one_month_check(source) for source in events),
        *(_one_line_check(source, rules) for source in SOURCE_TABLES.values()),
        *(_orphan_check(source, rules) for source in events),
        _adds_up_check(partitions),
    ]
