"""What the four questions are answered from: events and exposure by month, for customers who are alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import reduce

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame, Window

from cip_assets.analytics.insights.answers import ALL
from cip_assets.analytics.insights.questions import COMPLAINTS, ENGAGEMENT, QUESTIONS, REPEAT, RETURNS
from cip_assets.calc.as_of import months_back, months_between, of_customers_until, until
from cip_assets.calc.broadcast import for_each
from cip_assets.calc.carried import Before, from_month, with_months_before
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import column
from cip_assets.contracts.table import table
from cip_assets.contracts.types import DaySnapshot
from cip_assets.layers.cleaned.customers import Customers
from cip_assets.layers.cleaned.products import Products
from cip_assets.layers.cleaned.returns import Returns
from cip_assets.layers.cleaned.support_tickets import SupportTickets
from cip_assets.layers.cleaned.transactions import Transactions
from cip_assets.layers.facts.order_days import OrderDays
from cip_assets.layers.facts.session_days import SessionDays
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.labels import UNKNOWN

GROUPS = 32
"""Groups of customers, by a hash of their id. They vary as customers do, and so show how certain a rate is."""
LOOK_BACK = 3
"""The months before, in which comparable customers did the same."""
NEW, ESTABLISHED = "new buyers", "established buyers"
FIRST_MONTH = "first month"
WEEK = 7
"""A month counts as whole if the first event of all is in its first week, or the last one in its last week."""
MOST_SESSIONS = 99
ENOUGH_BUYERS = 50_000
"""Of more buyers, only a share is counted: it tells changes of a percent."""

_BOUGHT = ("order_days.customer_id", "transaction_date")
_EVENTS = (*_BOUGHT, "return_id", "ticket_id", "sessions")


class InsightCounts(
    DaySnapshot,
    grain="one row per question, part, stratum, month, customer group and snapshot day",
    key=["question", "dimension", "part", "stratum", "month", "customer_group"],
    domain="customers",
):
    """Events and exposure of the four questions, by full month. Customers of a stratum did the same in the three months
    before, so that rates can be compared between months although the mix of customers changes. Of more than 50,000
    buyers, a fixed share of all customers is counted, chosen by a hash of the id.
    """

    question: T.StringType = column(
        "Question",
        *_EVENTS,
        required=True,
        isin=[question.name for question in QUESTIONS],
    )
    dimension: T.StringType = column(
        "What the parts are: all, region, customer_segment, buyers (new or established), category, return_reason, "
        "ticket_category, or sessions",
        "region",
        "customer_segment",
        "products.category",
        "return_reason",
        "ticket_category",
        *_EVENTS,
        required=True,
    )
    part: T.StringType = column(
        "The part, such as a region; 'all' for the whole; for sessions, their number in the three months before",
        "region",
        "customer_segment",
        "products.category",
        "return_reason",
        "ticket_category",
        "sessions",
        *_BOUGHT,
        required=True,
    )
    stratum: T.StringType = column(
        "What the customers did in the three months before: months since the last purchase and number of purchase "
        "days; 'first month' in the month of the first purchase; for engagement also whether they are new or "
        "established buyers; 'all' for returns",
        *_BOUGHT,
        "sessions",
        required=True,
    )
    month: T.DateType = column("Month, by its first day", *_BOUGHT, required=True)
    customer_group: T.IntegerType = column(
        "Group of customers, by a hash of their id; 0 for all customers of a part",
        "order_days.customer_id",
        required=True,
        ge=0,
    )
    events: T.LongType = column(
        "Purchase days after the first, returns, tickets, or customers who churned",
        *_EVENTS,
        required=True,
        ge=0,
    )
    exposure: T.LongType = column(
        "Customer days, order lines of this month and the one before, or customers; empty for parts by reason or by "
        "ticket category, whose exposure is that of all",
        *_BOUGHT,
        "transaction_id",
        "sessions",
        ge=0,
    )


@table(
    InsightCounts,
    carried=(
        "transactions",
        "order_days",
        "returns",
        "support_tickets",
        "session_days",
        "customers",
        "products",
    ),
    transactions=Transactions,
    order_days=OrderDays,
    returns=Returns,
    support_tickets=SupportTickets,
    session_days=SessionDays,
    customers=Customers,
    products=Products,
    purchases=Purchases,
)
def insight_counts(
    transactions: DataFrame,
    order_days: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    session_days: DataFrame,
    customers: DataFrame,
    products: DataFrame,
    purchases: DataFrame,
    as_of: date,
    rules: Rules,
    before: Before | None = None,
) -> DataFrame:
    every = _share(purchases)

    def some(events: DataFrame, *ids: str) -> DataFrame:
        return events.where(F.pmod(F.floor(F.crc32(F.coalesce(*ids)) / GROUPS), F.lit(every)) == 0)

    lines = some(until(transactions, "transaction_date", as_of), "customer_id", "order_id")
    bought = some(of_customers_until(order_days, "transaction_date", as_of), "customer_id")
    returned = some(until(returns, "return_date", as_of), "customer_id", "order_id", "return_id")
    opened = some(until(support_tickets, "opened_date", as_of), "customer_id")
    visits = some(until(session_days, "day", as_of), "customer_id")
    older = before.day if before else None
    spans = [
        _span(bought, "transaction_date", older),
        _span(lines, "transaction_date", older),
        _span(returned, "return_date", older),
        _span(opened, "opened_date", older),
        _span(visits, "day", older),
    ]
    start = _first_open_month(before, spans, every, purchases, rules)
    buying, selling, returning, complaining, visiting = (_full_months(span, as_of) for span in spans)
    buying, selling, visiting = buying[LOOK_BACK:], selling[1:], visiting[LOOK_BACK:]
    looked_back = months_back(start, LOOK_BACK) if start else None
    lines, bought, returned, opened, visits = (
        from_month(events, looked_back) for events in (lines, bought, returned, opened, visits)
    )
    history = _by_month(bought, purchases)
    alike, first = _alike(history), _first_months(history)
    described = _described(customers)

    def within(rows: DataFrame, months: Sequence[date]) -> DataFrame:
        open_months = [month for month in months if start is None or month >= start]
        return rows.where(F.col("month").isin(*open_months) if open_months else F.lit(False))

    judged = [m for m in buying if m + timedelta(days=rules.churn.window_days) <= as_of + timedelta(days=1)]
    parts = [
        within(_repeats(alike, first, described), buying),
        within(_returns(lines, returned, products, described), [m for m in selling if m in returning]),
        within(
            _complaints(alike, first, opened, described),
            [m for m in buying if m in complaining],
        ),
        within(_churned(alike, visits, rules), [m for m in judged if m in visiting]),
    ]
    counted = reduce(DataFrame.union, (rows.select(*_COLUMNS) for rows in parts))
    return with_months_before(counted, before, start)


def _share(purchases: DataFrame) -> int:
    """One in so many customers is counted."""
    return purchases.count() // ENOUGH_BUYERS + 1


@dataclass(frozen=True)
class _Span:
    """The days of the first and the last event, and of the last one by an older day; None if there is none."""

    first: date | None
    last: date | None
    last_then: date | None


def _span(events: DataFrame, day: str, older: date | None) -> _Span:
    then = F.when(F.col(day) <= F.lit(older), F.col(day)) if older else F.lit(None).cast("date")
    return _Span(*events.agg(F.min(day), F.max(day), F.max(then)).collect()[0])


def _first_open_month(
    before: Before | None, spans: Sequence[_Span], every: int, purchases: DataFrame, rules: Rules
) -> date | None:
    """The first month whose rows can differ from those of the older day; None if all can.

    A month is over when it is full in all sources, and the churn window that begins with it has passed.
    """
    lasts = [span.last_then for span in spans if span.last_then]
    if before is None or len(lasts) < len(spans):
        return None
    if _share(purchases.where(F.col("first_purchase_date") <= F.lit(before.day))) != every:
        return None
    known = min(before.day, *lasts)
    return (known - timedelta(days=rules.churn.window_days + 31)).replace(day=1)


_BACK = [str(back) for back in range(1, LOOK_BACK + 1)]
_MONTH_AFTER = "CAST(add_months(month, CAST(back AS INT)) AS DATE)"
_COLUMNS = ("question", "dimension", "part", "stratum", "month", "customer_group", "events", "exposure")


def _full_months(span: _Span, as_of: date) -> list[date]:
    """The months from the first event to the last one that are complete."""
    if span.first is None or span.last is None:
        return []
    months = months_between(span.first, span.last)
    if span.first.day > WEEK:
        months = months[1:]
    end = min(as_of, span.last + timedelta(days=WEEK))
    return [
        month for month in months if (month + timedelta(days=31)).replace(day=1) - timedelta(days=1) <= end
    ]


def _group() -> Column:
    return F.pmod(F.crc32("customer_id"), F.lit(GROUPS)).cast("int").alias("customer_group")


def _described(customers: DataFrame) -> DataFrame:
    """What customers are told apart by."""
    return customers.select("customer_id", "region", "customer_segment")


def _by_month(bought: DataFrame, purchases: DataFrame) -> DataFrame:
    """The purchase days of each customer by month, with the months around.

    Grain: one row per customer and month with a purchase.
    """
    months = (
        bought.select("customer_id", "month", "transaction_date")
        .distinct()
        .groupBy("customer_id", "month")
        .agg(F.count("*").alias("days"), F.min("transaction_date").alias("first"))
    )
    order = Window.partitionBy("customer_id").orderBy("month")
    around = [
        F.lag(name, back).over(order).alias(f"{name}_{back}")
        for back in range(1, LOOK_BACK)
        for name in ("month", "days")
    ]
    later = [F.lead(name).over(order).alias(f"next_{name}") for name in ("month", "days", "first")]
    firsts = purchases.select("customer_id", F.col("first_purchase_date").alias("first_day"))
    return months.select("*", *around, *later).join(firsts, "customer_id")


def _months_after(history: DataFrame) -> DataFrame:
    """Each row in the three months after its month, but no longer than until the customer's next row, by ``at``."""
    each = for_each(history, "back", _BACK)
    placed = each.withColumn("at", F.expr(_MONTH_AFTER))
    return placed.where("next_month IS NULL OR at <= next_month")


def _alike(history: DataFrame) -> DataFrame:
    """Customers in each month after a purchase in the three months before, by what they did then.

    Grain: one row per customer and month, with ``stratum``, the purchase days of the month, the next purchase day, and
    whether the first purchase was in those three months.
    """
    awaited = _months_after(history)
    start = F.expr(f"CAST(add_months(at, -{LOOK_BACK}) AS DATE)")
    days = F.col("days")
    for back in range(1, LOOK_BACK):
        days = days + F.when(F.col(f"month_{back}") >= start, F.col(f"days_{back}")).otherwise(F.lit(0))
    often = (
        F.when(days >= 5, F.lit("5 or more")).when(days >= 3, F.lit("3 to 4")).otherwise(days.cast("string"))
    )
    return awaited.select(
        "customer_id",
        F.col("at").alias("month"),
        F.concat_ws(", ", F.concat(F.col("back"), F.lit(" ago")), F.concat(often, F.lit(" days"))).alias(
            "stratum"
        ),
        F.when(F.col("next_month") == F.col("at"), F.col("next_days")).otherwise(F.lit(0)).alias("events"),
        F.day(F.last_day("at")).cast("bigint").alias("exposure"),
        F.when(F.col("first_day") >= start, F.lit(NEW)).otherwise(F.lit(ESTABLISHED)).alias("buyers"),
        F.col("next_first"),
    )


def _first_months(history: DataFrame) -> DataFrame:
    """Customers in the month of their first purchase, from the day after it, as ``_alike`` has them."""
    return history.where("first = first_day").select(
        "customer_id",
        "month",
        F.lit(FIRST_MONTH).alias("stratum"),
        (F.col("days") - 1).alias("events"),
        F.datediff(F.last_day("month"), "first_day").cast("bigint").alias("exposure"),
        F.lit(NEW).alias("buyers"),
        F.col("next_first"),
    )


def _repeats(alike: DataFrame, first: DataFrame, described: DataFrame) -> DataFrame:
    rows = alike.union(first).join(described, "customer_id", "left")
    return _by_part(rows, REPEAT.name, ("region", "customer_segment", "buyers"))


def _returns(lines: DataFrame, returned: DataFrame, products: DataFrame, described: DataFrame) -> DataFrame:
    """Returns, and the lines of their month and the month before, which they mostly belong to."""
    kinds = products.select("product_id", "category")
    sold = lines.select(
        "customer_id", "order_id", "product_id", "month", F.lit(0).alias("events"), F.lit(1).alias("exposure")
    )
    later = sold.withColumn("month", F.expr("CAST(add_months(month, 1) AS DATE)"))
    back = returned.select(
        "customer_id",
        F.coalesce("order_id", "return_id").alias("order_id"),
        "product_id",
        "month",
        F.lit(1).alias("events"),
        F.lit(0).alias("exposure"),
    )
    rows = (
        sold.union(later)
        .union(back)
        .join(kinds, "product_id", "left")
        .join(described, "customer_id", "left")
        .withColumn("customer_id", F.coalesce("customer_id", "order_id"))
        .withColumn("stratum", F.lit(ALL))
    )
    whole = _by_part(rows, RETURNS.name, ("region", "customer_segment", "category"))
    reasons = _by_kind(
        returned.select("month", F.col("return_reason").alias("part"), F.lit(ALL).alias("stratum")),
        RETURNS.name,
        "return_reason",
    )
    return whole.union(reasons)


def _complaints(alike: DataFrame, first: DataFrame, opened: DataFrame, described: DataFrame) -> DataFrame:
    """Tickets of customers who bought in the three months before, or for the first time in the month."""
    rows = (
        alike.union(first)
        .select("customer_id", "month", "stratum")
        .join(
            opened.groupBy("customer_id", "month").agg(F.count("*").alias("events")),
            ["customer_id", "month"],
            "left",
        )
        .fillna({"events": 0})
        .withColumn("exposure", F.day(F.last_day("month")).cast("bigint"))
    )
    whole = _by_part(
        rows.join(described, "customer_id", "left"), COMPLAINTS.name, ("region", "customer_segment")
    )
    kinds = (
        rows.where("events > 0")
        .select("customer_id", "month", "stratum")
        .join(
            opened.select("customer_id", "month", F.col("ticket_category").alias("part")),
            ["customer_id", "month"],
        )
    )
    return whole.union(_by_kind(kinds, COMPLAINTS.name, "ticket_category"))


def _churned(alike: DataFrame, visits: DataFrame, rules: Rules) -> DataFrame:
    """Customers, and those who do not buy in the churn window that begins with the month, by sessions before it."""
    sessions = visits.groupBy("customer_id", "month").agg(F.sum("sessions").alias("count"))
    before = (
        for_each(sessions, "back", _BACK)
        .select("customer_id", F.expr(_MONTH_AFTER).alias("month"), "count")
        .groupBy("customer_id", "month")
        .agg(F.sum("count").alias("sessions"))
    )
    came = F.col("next_first") < F.date_add("month", rules.churn.window_days)
    return (
        alike.join(before, ["customer_id", "month"], "left")
        .withColumn("part", F.least(F.coalesce("sessions", F.lit(0)), F.lit(MOST_SESSIONS)).cast("string"))
        # New buyers cannot have as many sessions yet, and may churn differently.
        .withColumn("stratum", F.concat_ws(", ", "stratum", "buyers"))
        .groupBy("part", "stratum", "month", _group())
        .agg(
            F.count(F.when(~F.coalesce(came, F.lit(False)), 1)).alias("events"),
            F.count("*").alias("exposure"),
        )
        .withColumn("question", F.lit(ENGAGEMENT.name))
        .withColumn("dimension", F.lit("sessions"))
    )


def _by_part(rows: DataFrame, question: str, dimensions: Sequence[str]) -> DataFrame:
    """Events and exposure of the whole by group of customers, and of its parts."""
    is_whole = F.col("of") == ALL
    # Counted once for both: the groups without the parts, and the parts without the groups.
    counted = (
        for_each(
            rows.select("stratum", "month", "events", "exposure", _group(), *dimensions), "of", [ALL, "parts"]
        )
        .withColumn("customer_group", F.when(is_whole, F.col("customer_group")).otherwise(0))
        .withColumns({name: F.when(~is_whole, F.coalesce(name, F.lit(UNKNOWN))) for name in dimensions})
        .groupBy("of", "stratum", "month", "customer_group", *dimensions)
        .agg(F.sum("events").alias("events"), F.sum("exposure").alias("exposure"))
    )
    part = F.lit(ALL)
    for name in dimensions:
        part = F.when(F.col("dimension") == name, F.col(name)).otherwise(part)
    return (
        for_each(counted, "dimension", [ALL, *dimensions])
        .where((F.col("dimension") == ALL) == (F.col("of") == ALL))
        .withColumn("part", part)
        .groupBy("dimension", "part", "stratum", "month", "customer_group")
        .agg(
            F.sum("events").cast("bigint").alias("events"), F.sum("exposure").cast("bigint").alias("exposure")
        )
        .select(F.lit(question).alias("question"), *_COLUMNS[1:])
    )


def _by_kind(rows: DataFrame, question: str, dimension: str) -> DataFrame:
    """Events by a kind of their own, which no exposure has."""
    return (
        rows.groupBy(F.coalesce("part", F.lit(UNKNOWN)).alias("part"), "stratum", "month")
        .agg(F.count("*").alias("events"))
        .withColumn("customer_group", F.lit(0))
        .withColumn("exposure", F.lit(None).cast("bigint"))
        .select(F.lit(question).alias("question"), F.lit(dimension).alias("dimension"), *_COLUMNS[2:])
    )
