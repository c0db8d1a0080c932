"""The marts as of a day.

Each function returns the table of the same name in ``contracts.marts``, which gives grain, key, types and
units. ``as_of`` is the day D; rows dated after it are cut here.
"""

from datetime import date, timedelta
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame, Window

from cip_assets.calc.as_of import month_frame, months_between, stamped, until
from cip_assets.calc.broadcast import with_row
from cip_assets.calc.exact import cents, mean_money, ratio, total_money
from cip_assets.calc.ranking import bin_number, nearest_rank
from cip_assets.config.rules import Rules
from cip_assets.contracts import contract_of
from cip_assets.transforms import features
from cip_assets.transforms.backtest import WITHHELD
from cip_assets.transforms.features import UNKNOWN

NOT_YET = "Not yet a customer"

QUARTILES = (25, 50, 75)
QUARTERS = (1, 2, 3, 4)


def customer_360(
    population: DataFrame,
    customers: DataFrame,
    purchases: DataFrame,
    preferences: DataFrame,
    returns: DataFrame,
    support: DataFrame,
    engagement: DataFrame,
    rfm: DataFrame,
    segments: DataFrame,
    churn: DataFrame,
    clv: DataFrame,
    churn_model: DataFrame,
    as_of: date,
) -> DataFrame:
    """Everything known of each customer at D; predictions that proved worse than the base rate are withheld."""
    scores = ["r_score", "f_score", "m_score"]
    parts = [
        customers.drop("signup_date", "source_file", "source_version", "source_line", "delivery_date"),
        purchases.drop("as_of_date", "is_orphan"),
        preferences.drop("as_of_date"),
        returns.drop("as_of_date"),
        support.drop("as_of_date", "resolved_tickets"),
        engagement.drop("as_of_date", "engagement_points"),
        rfm.select("customer_id", *scores),
        segments.drop("as_of_date"),
        churn.drop("as_of_date", "recency_days"),
        clv.drop("as_of_date", "tenure_days", "repeat_purchase_days"),
    ]
    joined = reduce(
        lambda left, right: left.join(right, "customer_id", "left"), parts, population.drop("as_of_date")
    )
    counts = [
        "frequency",
        "purchase_days",
        "total_returns",
        "returned_transactions",
        "total_sessions",
        "active_days",
        "total_tickets",
        "open_tickets",
    ]
    zero = F.lit(0).cast("decimal(18,2)")
    whole = (
        joined.fillna(dict.fromkeys(counts, 0))
        .fillna({"is_churn_risk": False})
        .withColumn("monetary_value", F.coalesce("monetary_value", zero))
        .withColumn("returned_amount", F.coalesce("returned_amount", zero))
        .withColumn("engagement_score", F.coalesce("engagement_score", F.lit(0).cast("decimal(18,6)")))
        .withColumn("net_revenue", (F.col("monetary_value") - F.col("returned_amount")).cast("decimal(18,2)"))
        .withColumn("historic_value", F.coalesce("historic_value", F.col("net_revenue")))
        .withColumn("return_rate", ratio("returned_transactions", "frequency"))
    )
    proved = with_row(whole, churn_model.select("is_purchase_model_withheld"))
    is_withheld = F.col("is_purchase_model_withheld")
    for name in ("p_alive", "expected_purchases_90", "clv_12m"):
        proved = proved.withColumn(name, F.when(~is_withheld, F.col(name)))
    spoke = F.col("purchase_model").isNotNull() & is_withheld
    proved = proved.withColumn(
        "purchase_model", F.when(spoke, F.lit(WITHHELD)).otherwise(F.col("purchase_model"))
    )
    return stamped(proved, as_of, _columns("customer_360"))


def cohort_retention(transactions: DataFrame, purchases: DataFrame, as_of: date) -> DataFrame:
    """Of the buyers that started in a month, the share that bought k months later."""
    starts = purchases.select(
        "customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("cohort_month")
    )
    sizes = starts.groupBy("cohort_month").agg(F.count("*").alias("cohort_size"))
    active = (
        until(transactions, "transaction_date", as_of)
        .select("customer_id", "month")
        .distinct()
        .join(starts, "customer_id")
        .groupBy("cohort_month", "month")
        .agg(F.count("*").alias("active"))
    )
    months = _month_grid(starts.withColumnRenamed("cohort_month", "month"), as_of)
    grid = (
        sizes.join(months, F.col("month") >= F.col("cohort_month"))
        .join(active, ["cohort_month", "month"], "left")
        .withColumn("month_number", F.months_between("month", "cohort_month").cast("int"))
        .withColumn("active_buyers", F.when(_is_over(as_of), F.coalesce("active", F.lit(0))).cast("bigint"))
        .withColumn("retention_rate", ratio("active_buyers", "cohort_size"))
    )
    return stamped(grid, as_of, _columns("cohort_retention"))


def kpi_totals(population: DataFrame, purchases: DataFrame, returns: DataFrame, as_of: date) -> DataFrame:
    """The totals that everything else must add up to."""
    bought = purchases.agg(
        F.count("*").alias("buyers"),
        F.coalesce(F.sum("frequency"), F.lit(0)).cast("bigint").alias("transactions"),
        total_money("monetary_value").alias("total_revenue"),
        F.coalesce(F.sum(F.when(F.col("is_orphan"), F.col("monetary_value"))), F.lit(0))
        .cast("decimal(18,2)")
        .alias("orphan_revenue"),
    )
    totals = (
        population.agg(F.count("*").alias("total_customers"))
        .crossJoin(bought)
        .crossJoin(returns.agg(total_money("returned_amount").alias("returned_amount")))
        .withColumn("net_revenue", (F.col("total_revenue") - F.col("returned_amount")).cast("decimal(18,2)"))
        .withColumn("avg_order_value", mean_money("total_revenue", "transactions"))
    )
    return stamped(totals, as_of, _columns("kpi_totals"))


def kpi_activity(web_activity: DataFrame, as_of: date) -> DataFrame:
    """Sessions and customers by activity type."""
    named = until(web_activity, "timestamp", as_of).withColumn(
        "activity_type", F.coalesce("activity_type", F.lit(UNKNOWN))
    )
    by_type = named.groupBy("activity_type").agg(
        F.count("*").alias("sessions"), F.countDistinct("customer_id").alias("customers")
    )
    every = named.agg(F.count("*").alias("all_sessions"))
    shared = by_type.crossJoin(every).withColumn("session_share", ratio("sessions", "all_sessions"))
    return stamped(shared, as_of, _columns("kpi_activity"))


def kpi_revenue_segment(customer_360: DataFrame, as_of: date) -> DataFrame:
    """Customers and revenue by each segmentation."""
    segmentations = ["rfm_segment", "value_segment", "customer_segment", "region"]
    long = reduce(
        DataFrame.union,
        (
            customer_360.select(
                F.lit(name).alias("segmentation"),
                F.coalesce(name, F.lit(UNKNOWN)).alias("segment"),
                "frequency",
                "monetary_value",
                "net_revenue",
            )
            for name in segmentations
        ),
    )
    by_segment = long.groupBy("segmentation", "segment").agg(
        F.count("*").alias("customers"),
        F.count(F.when(F.col("frequency") > 0, 1)).alias("buyers"),
        total_money("monetary_value").alias("revenue"),
        total_money("net_revenue").alias("net_revenue"),
    )
    total = customer_360.agg(total_money("monetary_value").alias("all_revenue"))
    shared = by_segment.crossJoin(total).withColumn(
        "revenue_share", ratio(cents("revenue"), cents("all_revenue"))
    )
    return stamped(shared, as_of, _columns("kpi_revenue_segment"))


def kpi_monthly_revenue(transactions: DataFrame, as_of: date) -> DataFrame:
    """Revenue by month, without gaps."""
    sold = (
        until(transactions, "transaction_date", as_of)
        .groupBy("month")
        .agg(
            total_money("amount").alias("monthly_revenue"),
            F.count("*").alias("orders"),
            F.countDistinct("customer_id").alias("buyers"),
        )
    )
    dense = _month_grid(sold, as_of).join(sold, "month", "left").fillna({"orders": 0, "buyers": 0})
    filled = dense.withColumn(
        "monthly_revenue", F.coalesce("monthly_revenue", F.lit(0)).cast("decimal(18,2)")
    )
    judged = filled.withColumn("is_complete", _is_over(as_of))
    return stamped(judged, as_of, _columns("kpi_monthly_revenue"))


def kpi_top_customers(customer_360: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """The customers with the highest spend."""
    buyers = customer_360.where("frequency > 0")
    top = _top(buyers, "monetary_value", "customer_id", rules.top_n)
    return stamped(top, as_of, _columns("kpi_top_customers"))


def kpi_top_products(transactions: DataFrame, products: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """The products with the highest revenue."""
    sold = (
        until(transactions, "transaction_date", as_of)
        .where("product_id IS NOT NULL")
        .groupBy("product_id")
        .agg(
            total_money("amount").alias("revenue"),
            F.sum("quantity").cast("bigint").alias("units"),
            F.count("*").alias("orders"),
            F.countDistinct("customer_id").alias("buyers"),
        )
    )
    described = products.select("product_id", "product_name", "category", "brand")
    top = _top(sold, "revenue", "product_id", rules.top_n).join(described, "product_id", "left")
    named = top.fillna(UNKNOWN, ["product_name", "category", "brand"])
    return stamped(named, as_of, _columns("kpi_top_products"))


def kpi_trends(
    transactions: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
    purchases: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    """Repeat rate, return ratio, complaints, and engagement against churn, month by month."""
    bought = until(transactions, "transaction_date", as_of)
    starts = purchases.select(
        "customer_id", F.trunc("first_purchase_date", "month").cast("date").alias("start")
    )
    buyer_months = bought.groupBy("customer_id", "month").agg(F.count("*").alias("transactions"))
    buyers = (
        buyer_months.join(starts, "customer_id")
        .groupBy("month")
        .agg(
            F.sum("transactions").cast("bigint").alias("transactions"),
            F.count("*").alias("buyers"),
            F.count(F.when(F.col("start") < F.col("month"), 1)).alias("returning_buyers"),
        )
    )
    sessions = (
        until(web_activity, "timestamp", as_of)
        .groupBy("customer_id", "month")
        .agg(F.count("*").alias("sessions"))
    )
    active = (
        buyer_months.select("customer_id", "month")
        .union(sessions.select("customer_id", "month"))
        .distinct()
        .groupBy("month")
        .agg(F.count("*").alias("active_customers"))
    )
    came_back = until(returns, "return_date", as_of).groupBy("month").agg(F.count("*").alias("returns"))
    asked = until(support_tickets, "opened_date", as_of).groupBy("month").agg(F.count("*").alias("tickets"))
    churned = _churn_by_engagement(bought, buyer_months, sessions, as_of, rules)
    again = _second_orders(bought, purchases, as_of, rules)
    parts = [buyers, active, came_back, asked, churned, again]
    joined = reduce(lambda left, right: left.join(right, "month", "left"), parts, _month_grid(buyers, as_of))
    counts = ["buyers", "returning_buyers", "transactions", "returns", "active_customers", "tickets"]
    rated = (
        joined.fillna(0, counts)
        .withColumn("is_complete", _is_over(as_of))
        .withColumn("repeat_rate", ratio("returning_buyers", "buyers"))
        .withColumn("return_ratio", ratio("returns", "transactions"))
        .withColumn("complaints_per_100", ratio("100 * tickets", "active_customers"))
    )
    return stamped(rated, as_of, _columns("kpi_trends"))


def _second_orders(bought: DataFrame, purchases: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Of who bought first in a month, the share that bought on another day soon after; of matured months alone.

    Grain: one row per month of first purchases, of which every customer had the time of the rules by D.
    """
    within = rules.repeat.within_days
    firsts = purchases.select("customer_id", "first_purchase_date").withColumn(
        "month", F.trunc("first_purchase_date", "month").cast("date")
    )
    matured = firsts.where(F.date_add(F.last_day("month"), within) <= F.lit(as_of))
    later = bought.select("customer_id", "transaction_date").distinct()
    days = F.datediff("transaction_date", "first_purchase_date")
    came_back = (
        matured.join(later, "customer_id")
        .where((days > 0) & (days <= within))
        .select("customer_id")
        .distinct()
        .withColumn("again", F.lit(1))
    )
    counted = (
        matured.join(came_back, "customer_id", "left")
        .groupBy("month")
        .agg(F.count("*").alias("new_buyers"), F.count("again").alias("second_orders"))
    )
    return counted.withColumn("second_order_rate", ratio("second_orders", "new_buyers"))


def _churn_by_engagement(
    bought: DataFrame, buyer_months: DataFrame, sessions: DataFrame, as_of: date, rules: Rules
) -> DataFrame:
    """Of a month's buyers, by quarter of sessions in that month: the share that then stayed away.

    Engagement is measured in the month and churn in the window after it, so neither sees the other.
    Grain: one row per month whose window is over, with ``churn_rate_q1`` to ``churn_rate_q4``.
    """
    window_end = F.date_add(F.last_day("month"), rules.churn.window_days)
    cohort = buyer_months.select("customer_id", "month").where(window_end <= F.lit(as_of))
    seen = cohort.join(sessions, ["customer_id", "month"], "left").fillna({"sessions": 0})
    cuts = nearest_rank(seen, "sessions", QUARTILES, by=["month"])
    purchase_days = bought.select(F.col("customer_id").alias("buyer"), "transaction_date").distinct()
    bought_again = (
        cohort.join(
            purchase_days,
            (F.col("customer_id") == F.col("buyer"))
            & (F.col("transaction_date") > F.last_day("month"))
            & (F.col("transaction_date") <= window_end),
            "left_semi",
        )
    ).withColumn("came_back", F.lit(1))
    judged = (
        seen.join(cuts, "month")
        .join(bought_again, ["customer_id", "month"], "left")
        .withColumn("quarter", bin_number("sessions", [f"p{p}" for p in QUARTILES]))
    )
    counted = judged.groupBy("month").agg(
        *(F.count(F.when(F.col("quarter") == q, 1)).alias(f"buyers_{q}") for q in QUARTERS),
        *(
            F.count(F.when((F.col("quarter") == q) & F.col("came_back").isNull(), 1)).alias(f"churned_{q}")
            for q in QUARTERS
        ),
    )
    rates = (ratio(f"churned_{q}", f"buyers_{q}").alias(f"churn_rate_q{q}") for q in QUARTERS)
    return counted.select("month", *rates)


def segment_migration(
    segments: DataFrame,
    customers: DataFrame,
    transactions: DataFrame,
    population: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    """How many customers moved from one segment to another in the last churn window."""
    before = as_of - timedelta(days=rules.churn.window_days)
    then = features.purchases(transactions, customers, before)
    scored = features.rfm(then, features.rfm_cut_points(then, before), before, rules)
    signed_up = F.col("signup_date").isNull() | (F.col("signup_date") <= F.lit(before))
    was = (
        population.select("customer_id", "signup_date")
        .join(
            scored.select("customer_id", F.col("rfm_segment").alias("scored_segment")), "customer_id", "left"
        )
        .withColumn(
            "from_segment",
            F.coalesce(
                "scored_segment",
                F.when(signed_up, F.lit(features.NO_PURCHASE)).otherwise(F.lit(NOT_YET)),
            ),
        )
    )
    moved = (
        segments.select("customer_id", F.col("rfm_segment").alias("to_segment"))
        .join(was.select("customer_id", "from_segment"), "customer_id")
        .groupBy("from_segment", "to_segment")
        .agg(F.count("*").alias("customers"))
    )
    whole = Window.partitionBy("from_segment")
    shared = (
        moved.withColumn("from_customers", F.sum("customers").over(whole).cast("bigint"))
        .withColumn("share", ratio("customers", "from_customers"))
        .withColumn("since", F.lit(before))
    )
    return stamped(shared, as_of, _columns("segment_migration"))


def _is_over(as_of: date) -> Column:
    """Whether the last day of ``month`` has come by D."""
    return F.last_day("month") <= F.lit(as_of)


def _month_grid(monthly: DataFrame, as_of: date) -> DataFrame:
    """Every month from the first in a frame to that of D."""
    earliest = monthly.agg(F.min("month")).collect()[0][0] or as_of
    return month_frame(monthly, months_between(earliest, as_of))


def _top(frame: DataFrame, value: str, key: str, rows: int) -> DataFrame:
    """The rows with the highest values, ranked; ties go to the smaller key."""
    top = frame.orderBy(F.col(value).desc(), F.col(key).asc()).limit(rows)
    place = Window.partitionBy(F.lit(0)).orderBy(F.col(value).desc(), F.col(key).asc())
    return top.withColumn("rank", F.row_number().over(place).cast("int"))


def _columns(table: str) -> list[str]:
    return list(contract_of("marts", table).columns)
