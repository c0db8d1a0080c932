"""The money of a snapshot is the money of its transactions."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
from pyspark.sql import Row

from cip_assets.calc.as_of import until
from cip_assets.layers import contract_of
from cip_assets.layers.labels import UNKNOWN
from cip_assets.orchestration.checks import counts
from cip_assets.orchestration.checks.covered import covered_rows
from cip_assets.orchestration.checks.currencies import currencies_of
from cip_assets.orchestration.checks.seen import seen_by_only
from cip_assets.orchestration.limits import RETRIES
from cip_assets.orchestration.partitions import Partitions
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage import delta


def adds_up_check(partitions: Partitions) -> dg.AssetChecksDefinition:
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
                "marts/kpi_currencies",
                "cleaned/transactions",
                "cleaned/returns",
            )
        ],
        description=(
            "Cleaned amounts = customer_360 + orphans + guests = months = currencies = total, to the cent; one row per "
            "customer. A total of unknown amounts, or of no orders, is unknown everywhere, and all amounts are in one "
            "currency."
        ),
    )
    def adds_up(
        context: dg.AssetCheckExecutionContext,
        engine: EngineResource,
        lake: LakeResource,
    ) -> dg.AssetCheckResult:
        """The money of a snapshot is the money of its transactions."""
        day, seen = date.fromisoformat(context.partition_key), seen_by_only(context, lake.settings)
        # Read here and not as inputs: a check looks at a snapshot also when it is out of date.
        totals, customer_360, monthly, by_currency = (
            covered_rows(context, engine, lake, contract_of("marts", table))
            for table in ("kpi_totals", "customer_360", "kpi_monthly_revenue", "kpi_currencies")
        )
        transactions, returns = (
            delta.read(engine.spark_session, lake.settings.table_uri("cleaned", table))
            for table in ("transactions", "returns")
        )
        stated = totals.collect()[0]
        # A sum of no customers is 0; what no event says is unknown.
        parts = [
            counts.total(customer_360, "monetary_value"),
            stated["orphan_revenue"],
            stated["guest_revenue"],
        ]
        found = {
            "cleaned_transactions": counts.known_total(
                until(transactions, "transaction_date", day), "amount"
            ),
            "customer_360_orphans_and_guests": None if None in parts else sum(parts),
            "monthly_revenue": counts.known_total(monthly, "monthly_revenue"),
        }
        returned = counts.known_total(until(returns, "return_date", day), "amount")
        customers = customer_360.count()
        currencies = {
            code
            for events, dated in ((transactions, "transaction_date"), (returns, "return_date"))
            for code in currencies_of(until(events, dated, day))
        }
        differing = _other_than_stated(by_currency.collect(), stated)
        passed = (
            set(found.values()) == {stated["total_revenue"]}
            and returned == stated["returned_amount"]
            and customers == stated["total_customers"]
            and not differing
            and len(currencies) <= 1
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
                "kpi_currencies_differs_in": differing,
                "currencies": sorted(currencies),
                **seen,
            },
        )

    return adds_up


def _other_than_stated(by_currency: Sequence[Row], stated: Row) -> list[str]:
    """The columns in which kpi_currencies does not add up to kpi_totals.

    Lines always do. Money and orders do if there is only the currency of the totals; an order can be in several.
    """
    differing = []
    lines = [row["order_lines"] for row in by_currency if row["order_lines"] is not None]
    if (sum(lines) if lines else None) != stated["order_lines"]:
        differing.append("order_lines")
    if [row["currency"] for row in by_currency] == [stated["currency"] or UNKNOWN]:
        (row,) = by_currency
        differing += [name for name in _IN_BOTH if stated[name] not in {None, row[name]}]
    return differing


_IN_BOTH = ("orders", "total_revenue", "charged", "returned_amount", "refunded", "net_revenue")
