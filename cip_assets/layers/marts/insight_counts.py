"""What the four questions are answered from: events and exposure by month, for customers who are alike."""

from collections.abc import Mapping, Sequence
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
    described = customers.select("customer_id", "region", "customer_segment")

    def not_over(months: Sequence[date]) -> list[date]:
        return [month for month in months if start is None or month >= start]

    judged = [m for m in buying if m + timedelta(days=rules.churn.window_days) <= as_of + timedelta(days=1)]
    months = {
        REPEAT.name: not_over(buying),
        RETURNS.name: not_over([m for m in selling if m in returning]),
        COMPLAINTS.name: not_over([m for m in buying if m in complaining]),
        ENGAGEMENT.name: not_over([m for m in judged if m in visiting]),
    }
    compared = _compared(_by_month(bought, purchases)).where(_is_in(months[REPEAT.name]))
    parts = [
        _of_buyers(compared, opened, visits, described, months, rules),
        _returns(lines, returned, products, described).where(_is_in(months[RETURNS.name])),
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
_WHOLE, _PARTS, _SESSIONS, _KIND = ALL, "parts", "sessions", "kind: "
"""What customers are added up by: their groups, what tells them apart, their sessions, and a kind of their tickets."""
_TOLD_APART_BY = ("region", "customer_segment", "buyers")
_SHOWN = {
    _WHOLE: [(REPEAT.name, ALL), (COMPLAINTS.name, ALL)],
    _PARTS: [
        *((REPEAT.name, dimension) for dimension in _TOLD_APART_BY),
        *((COMPLAINTS.name, dimension) for dimension in _TOLD_APART_BY[:2]),
    ],
    _SESSIONS: [(ENGAGEMENT.name, "sessions")],
    _KIND: [(COMPLAINTS.name, "ticket_category")],
}
"""The questions and dimensions that are shown of each."""
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


def _is_in(months: Sequence[date]) -> Column:
    return F.col("month").isin(*months) if months else F.lit(False)


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


def _compared(history: DataFrame) -> DataFrame:
    """Customers in each month after a purchase in the three months before, but no longer than until their next month
    with one, by what they did then; and in the month of their first purchase, from the day after it.

    Grain: one row per customer and month, with how long ago and how often they had bought, the purchase days of the
    month, the next purchase day, and whether the first purchase was in those three months.
    """
    placed = for_each(history, "back", ["0", *_BACK]).withColumn("at", F.expr(_MONTH_AFTER))
    is_first, is_bought = F.col("back") == "0", F.col("next_month") == F.col("at")
    start = F.expr(f"CAST(add_months(at, -{LOOK_BACK}) AS DATE)")
    days = F.col("days")
    for back in range(1, LOOK_BACK):
        days = days + F.when(F.col(f"month_{back}") >= start, F.col(f"days_{back}")).otherwise(F.lit(0))
    often = F.when(days >= 5, F.lit("5 or more")).when(days >= 3, F.lit("3 to 4"))
    return placed.where(
        "CASE WHEN back = '0' THEN first = first_day ELSE next_month IS NULL OR at <= next_month END"
    ).select(
        "customer_id",
        F.col("at").alias("month"),
        "back",
        often.when(days == 2, F.lit("2")).otherwise(F.lit("1")).alias("often"),
        F.when(is_first, F.col("days") - 1)
        .when(is_bought, F.col("next_days"))
        .otherwise(F.lit(0))
        .alias("repeats"),
        F.when(is_first, F.datediff(F.last_day("at"), "first_day"))
        .otherwise(F.day(F.last_day("at")))
        .alias("repeat_days"),
        F.when(F.col("first_day") >= start, F.lit(NEW)).otherwise(F.lit(ESTABLISHED)).alias("buyers"),
        "next_first",
    )


def _of_buyers(
    compared: DataFrame,
    opened: DataFrame,
    visits: DataFrame,
    described: DataFrame,
    months: Mapping[str, Sequence[date]],
    rules: Rules,
) -> DataFrame:
    """Repeat purchases, tickets, and customers who do not buy in the churn window that begins with the month, by
    sessions before it. All are counted in one pass, because the months of the customers take longest to compute.
    """
    kind = F.concat(F.lit(_KIND), F.coalesce("ticket_category", F.lit(UNKNOWN)))
    tickets = opened.groupBy("customer_id", "month").agg(
        F.count("*").alias("tickets"), F.collect_list(kind).alias("kinds")
    )
    sessions = visits.groupBy("customer_id", "month").agg(F.sum("sessions").alias("count"))
    sessions_before = (
        for_each(sessions, "back", _BACK)
        .select("customer_id", F.expr(_MONTH_AFTER).alias("month"), "count")
        .groupBy("customer_id", "month")
        .agg(F.sum("count").alias("sessions"))
    )
    came = F.col("next_first") < F.date_add("month", rules.churn.window_days)
    rows = (
        compared.join(tickets, ["customer_id", "month"], "left")
        .join(sessions_before, ["customer_id", "month"], "left")
        .join(described, "customer_id", "left")
        .select(
            "back",
            "often",
            "month",
            _group(),
            "repeats",
            "repeat_days",
            F.day(F.last_day("month")).alias("days"),
            F.coalesce("tickets", F.lit(0)).alias("tickets"),
            F.when(came, F.lit(0)).otherwise(F.lit(1)).alias("churned"),
            F.least(F.coalesce("sessions", F.lit(0)), F.lit(MOST_SESSIONS)).alias("sessions"),
            *(F.coalesce(name, F.lit(UNKNOWN)).alias(name) for name in _TOLD_APART_BY),
            _counted_by(months[ENGAGEMENT.name]).alias("of"),
        )
    )
    of = F.col("of")
    counted = (
        rows.withColumns(
            {
                "customer_group": F.when(of.isin(_WHOLE, _SESSIONS), F.col("customer_group")).otherwise(0),
                "sessions": F.when(of == _SESSIONS, F.col("sessions")),
                "region": F.when(of == _PARTS, F.col("region")),
                "customer_segment": F.when(of == _PARTS, F.col("customer_segment")),
                # New buyers cannot have as many sessions yet, and may churn differently.
                "buyers": F.when(of.isin(_PARTS, _SESSIONS), F.col("buyers")),
            }
        )
        .groupBy("of", "back", "often", "month", "customer_group", "sessions", *_TOLD_APART_BY)
        .agg(
            F.count("*").alias("customers"),
            *(F.sum(name).alias(name) for name in ("repeats", "repeat_days", "tickets", "days", "churned")),
        )
    )
    bought = F.concat("back", F.lit(" ago, "), "often", F.lit(" days"))
    stratum = (
        F.when(F.col("back") == "0", F.lit(FIRST_MONTH))
        .when(of == _SESSIONS, F.concat_ws(", ", bought, F.col("buyers")))
        .otherwise(bought)
    )
    shown = _shown(_KIND)
    for name in (_WHOLE, _PARTS, _SESSIONS):
        shown = F.when(of == name, _shown(name)).otherwise(shown)
    asked, dimension = F.col("question"), F.col("dimension")
    is_kind = dimension == "ticket_category"
    part = F.when(is_kind, F.substring("of", len(_KIND) + 1, 1_000_000)).otherwise(F.lit(ALL))
    for name in ("sessions", *_TOLD_APART_BY):
        part = F.when(dimension == name, F.col(name).cast("string")).otherwise(part)
    events = F.when(asked == REPEAT.name, F.col("repeats")).when(asked == ENGAGEMENT.name, F.col("churned"))
    exposure = F.when(asked == REPEAT.name, F.col("repeat_days")).when(
        asked == ENGAGEMENT.name, F.col("customers")
    )
    return (
        counted.withColumn("shown", F.explode(shown))
        .withColumn("question", F.split("shown", "/")[0])
        .withColumn("dimension", F.split("shown", "/")[1])
        .where((asked != COMPLAINTS.name) | _is_in(months[COMPLAINTS.name]))
        .withColumns({"part": part, "stratum": stratum})
        .groupBy("question", "dimension", "part", "stratum", "month", "customer_group")
        .agg(
            F.sum(events.when(is_kind, F.col("customers")).otherwise(F.col("tickets")))
            .cast("bigint")
            .alias("events"),
            F.sum(exposure.when(~is_kind, F.col("days"))).cast("bigint").alias("exposure"),
        )
    )


def _shown(of: str) -> Column:
    """The questions and dimensions of one kind of sums."""
    return F.array(*(F.lit(f"{question}/{dimension}") for question, dimension in _SHOWN[of]))


def _counted_by(engaged: Sequence[date]) -> Column:
    """What a customer is added up by in a month, each in a row: by sessions only if churn is judged in the month."""
    always = F.array(F.lit(_WHOLE), F.lit(_PARTS))
    sessions = F.array(F.lit(_WHOLE), F.lit(_PARTS), F.lit(_SESSIONS))
    by = F.when(_is_in(engaged) & (F.col("back") != "0"), sessions).otherwise(always)
    return F.explode(F.coalesce(F.concat(by, F.col("kinds")), by))


def _returns(lines: DataFrame, returned: DataFrame, products: DataFrame, described: DataFrame) -> DataFrame:
    """Returns, and the lines of their month and the month before, which they mostly belong to."""
    kinds = products.select("product_id", "category")
    sold = for_each(lines, "back", ["0", "1"]).select(
        "customer_id",
        "order_id",
        "product_id",
        F.expr(_MONTH_AFTER).alias("month"),
        F.lit(0).alias("events"),
        F.lit(1).alias("exposure"),
    )
    back = returned.select(
        "customer_id",
        F.coalesce("order_id", "return_id").alias("order_id"),
        "product_id",
        "month",
        F.lit(1).alias("events"),
        F.lit(0).alias("exposure"),
    )
    rows = (
        sold.union(back)
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
