"""Products, categories and reasons with rising returns."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame

from cip_assets.analytics.rises import Counted, certain
from cip_assets.calc.as_of import until
from cip_assets.calc.exact import MONEY
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import csv_file, table
from cip_assets.contracts.types import DaySnapshot, Money, Ratio
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.labels import UNKNOWN

KINDS = ("product", "category", "reason")
_LINES, _RETURNS, _REFUNDS = "transactions.transaction_id", "return_id", "returns.amount"


class ListReturns(
    DaySnapshot,
    grain="one row per listed product, category or return reason and snapshot day",
    key=["kind", "value"],
    domain="returns",
):
    """Products, categories and reasons with more returns per order line in the window than in the one before: first
    those whose rise is certain, then by extra refunds.
    """

    rank: T.IntegerType = column("Place in the list", _RETURNS, _LINES, required=True, ge=1)
    kind: T.StringType = column("product, category or reason", _RETURNS, required=True, isin=list(KINDS))
    value: T.StringType = column(
        "Product id, category or return reason",
        "returns.product_id",
        "category",
        "return_reason",
        required=True,
    )
    name: T.StringType = column(
        "Name of the product, 'Unknown' if it is missing from products; otherwise the value again",
        "product_name",
        required=True,
    )
    is_certain: T.BooleanType = column(
        "True if the rise is certain, with the confidence of the rules for all rises together",
        _RETURNS,
        _LINES,
        required=True,
    )
    returns: T.LongType = column("Returns in the window", _RETURNS, required=True, ge=1)
    returns_before: T.LongType = column("Returns in the window before", _RETURNS, required=True, ge=0)
    lines: T.LongType = column(
        "Order lines in the window, of the product or category; for a reason, of all products",
        _LINES,
        required=True,
        ge=1,
    )
    lines_before: T.LongType = column("Those in the window before", _LINES, required=True, ge=1)
    per_100: Ratio = column(
        "Returns per 100 order lines in the window", _RETURNS, _LINES, required=True, ge=0
    )
    per_100_before: Ratio = column(
        "Returns per 100 order lines in the window before", _RETURNS, _LINES, required=True, ge=0
    )
    refunds: Money = column(
        "Refunded for goods in the window; empty if an amount is unknown", _REFUNDS, ge=0, unit="currency"
    )
    extra_refunds: Money = column(
        "refunds, less the refunds per order line of the window before times lines; empty if an amount is unknown",
        _REFUNDS,
        _LINES,
        unit="currency",
    )


@dataclass
class _Sums:
    """What is counted of a product, category or reason; money is None if an amount is unknown."""

    name: str = UNKNOWN
    lines: int = 0
    lines_before: int = 0
    returns: int = 0
    returns_before: int = 0
    refunds: Decimal | None = field(default_factory=Decimal)
    refunds_before: Decimal | None = field(default_factory=Decimal)

    def add(self, counts: Mapping[str, Any]) -> None:
        for name, more in counts.items():
            so_far = getattr(self, name)
            setattr(self, name, None if so_far is None or more is None else so_far + more)

    @property
    def counted(self) -> Counted:
        return Counted(self.returns_before, self.lines_before, self.returns, self.lines)

    @property
    def extra_refunds(self) -> Decimal | None:
        if self.refunds is None or self.refunds_before is None:
            return None
        extra = self.refunds - self.refunds_before * self.lines / self.lines_before
        return extra.quantize(Decimal("0.01"), ROUND_HALF_UP)


@csv_file(order_by=["rank"])
@table(ListReturns, transactions=Transactions, returns=Returns, products=Products)
def list_returns(
    transactions: DataFrame, returns: DataFrame, products: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    days = rules.lists.days
    described = products.select("product_id", "product_name", "category")
    sold = (
        in_windows(transactions, "transaction_date", as_of, days)
        .groupBy("product_id")
        .agg(*counts("lines"))
        .join(described, "product_id", "left")
    )
    given_back = (
        in_windows(returns, "return_date", as_of, days)
        .groupBy("product_id", "return_reason")
        .agg(*counts("returns"), *_refunds())
        .join(described, "product_id", "left")
    )
    sums = _sums([row.asDict() for row in sold.collect()], [row.asDict() for row in given_back.collect()])
    rows = list(_listed(sums, rules.insights.confidence))[: rules.lists.rows]
    return returns.sparkSession.createDataFrame(
        [(place, *row) for place, row in enumerate(rows, 1)],
        "rank int, kind string, value string, name string, is_certain boolean, returns long, returns_before long, "
        "lines long, lines_before long, per_100 decimal(18,6), per_100_before decimal(18,6), refunds decimal(18,2), "
        "extra_refunds decimal(18,2)",
    )


def in_windows(events: DataFrame, event_date: str, as_of: date, days: int) -> DataFrame:
    """The events of the last days and of as many days before, with ``is_before``."""
    start, middle = (as_of - timedelta(days=days * windows) for windows in (2, 1))
    recent = until(events, event_date, as_of).where(F.col(event_date) > F.lit(start))
    return recent.withColumn("is_before", F.col(event_date) <= F.lit(middle))


def counts(name: str) -> list[Column]:
    """The events of the window before and of the window, as ``<name>_before`` and ``<name>``."""
    before, after = F.when(F.col("is_before"), 1), F.when(~F.col("is_before"), 1)
    return [F.count(before).alias(f"{name}_before"), F.count(after).alias(name)]


def _refunds() -> Iterator[Column]:
    for name, is_in in (("refunds_before", F.col("is_before")), ("refunds", ~F.col("is_before"))):
        unknown = F.count(F.when(is_in & F.col("amount").isNull(), 1))
        money = F.coalesce(F.sum(F.when(is_in, F.col("amount"))), F.lit(0))
        yield F.when(unknown == 0, money).cast(MONEY).alias(name)


def _sums(
    sold: Sequence[Mapping[str, Any]], given_back: Sequence[Mapping[str, Any]]
) -> Mapping[tuple[str, str], _Sums]:
    """What is counted, by kind and value."""
    found: dict[tuple[str, str], _Sums] = defaultdict(_Sums)
    every = _Sums()
    for row, names in (
        *((row, ("lines", "lines_before")) for row in sold),
        *((row, ("returns", "returns_before", "refunds", "refunds_before")) for row in given_back),
    ):
        counts = {name: row[name] for name in names}
        every.add(counts)
        values = (row["product_id"], row["category"] or UNKNOWN, row.get("return_reason"))
        for kind, value in zip(KINDS, values, strict=True):
            if value is not None:
                sums = found[kind, value]
                sums.name = (row["product_name"] or UNKNOWN) if kind == "product" else value
                sums.add(counts)
    for (kind, _), sums in found.items():
        if kind == "reason":
            sums.add({"lines": every.lines, "lines_before": every.lines_before})
    return found


def _listed(sums: Mapping[tuple[str, str], _Sums], confidence: float) -> Iterator[tuple[Any, ...]]:
    """The rows of the list in order, without their places."""
    is_certain: dict[tuple[str, str], bool] = {}
    for kind in KINDS:
        keys = [key for key in sums if key[0] == kind]
        is_certain |= zip(keys, certain([sums[key].counted for key in keys], confidence), strict=True)

    def place(key: tuple[str, str]) -> tuple[Any, ...]:
        extra = sums[key].extra_refunds
        return not is_certain[key], extra is None, -(extra or 0), -sums[key].returns, key

    for key in sorted((key for key, each in sums.items() if each.counted.rose), key=place):
        each = sums[key]
        yield (
            *key,
            each.name,
            is_certain[key],
            each.returns,
            each.returns_before,
            each.lines,
            each.lines_before,
            _per_100(each.returns, each.lines),
            _per_100(each.returns_before, each.lines_before),
            each.refunds,
            each.extra_refunds,
        )


def _per_100(events: int, of: int) -> Decimal:
    return (Decimal(100 * events) / of).quantize(Decimal("0.000001"), ROUND_HALF_UP)
