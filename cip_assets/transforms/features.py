"""Customer features as of a day.

Each function returns the table of the same name in ``contracts.features``, which gives grain, key, types
and units. ``as_of`` is the day D; rows dated after it are cut here, so that a frame may hold more.
"""

from datetime import date
from functools import reduce

import pyspark.sql.functions as F
from pyspark.sql import Column, DataFrame

from cip_assets.calc.as_of import days_since, stamped, until
from cip_assets.calc.broadcast import for_each, with_row
from cip_assets.calc.exact import RATIO, cents, mean_money, ratio, total_money
from cip_assets.calc.ranking import at_or_below, bin_number, first_by, nearest_rank
from cip_assets.config.rules import Rules, ValueRule
from cip_assets.contracts import contract_of
from cip_assets.transforms.challenger import trained, with_challenger
from cip_assets.transforms.purchase_model import predicted

NO_PURCHASE = "No purchase"
UNKNOWN = "Unknown"
QUINTILES = (20, 40, 60, 80)
RFM_METRICS = ("recency_days", "frequency", "monetary_value")
RECENT_DAYS = 30
POINT = 1_000_000_000
"""Engagement points are counted in billionths, so that their sum is exact."""


def population(
    customers: DataFrame,
    transactions: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
    as_of: date,
) -> DataFrame:
    """The customers known at D: signed up or seen by then, or of unknown sign-up."""
    dated = {
        "transaction_date": transactions,
        "return_date": returns,
        "opened_date": support_tickets,
        "timestamp": web_activity,
    }
    seen = reduce(
        DataFrame.union, (until(events, day, as_of).select("customer_id") for day, events in dated.items())
    ).distinct()
    ids = customers.select("customer_id", "signup_date")
    known = F.col("signup_date").isNull() | (F.col("signup_date") <= F.lit(as_of))
    early = ids.where(~known).join(seen, "customer_id", "left_semi")
    return stamped(ids.where(known).union(early), as_of, _columns("population"))


def purchases(transactions: DataFrame, customers: DataFrame, as_of: date) -> DataFrame:
    """What each buyer bought by D, with orphans flagged."""
    # By day first: counting distinct days directly keeps a set for each customer.
    days = (
        until(transactions, "transaction_date", as_of)
        .groupBy("customer_id", "transaction_date")
        .agg(F.count("*").alias("transactions"), total_money("amount").alias("amount"))
    )
    totals = days.groupBy("customer_id").agg(
        F.min("transaction_date").alias("first_purchase_date"),
        F.max("transaction_date").alias("last_purchase_date"),
        F.sum("transactions").cast("bigint").alias("frequency"),
        F.count("*").alias("purchase_days"),
        F.count(F.when(F.col("amount") > 0, 1)).alias("paid_days"),
        total_money("amount").alias("monetary_value"),
        F.min_by("amount", "transaction_date").alias("first_day_amount"),
    )
    known = customers.select("customer_id", F.lit(False).alias("is_orphan"))
    buyers = (
        totals.join(known, "customer_id", "left")
        .withColumn("is_orphan", F.coalesce("is_orphan", F.lit(True)))
        .withColumn("recency_days", days_since(as_of, "last_purchase_date"))
        .withColumn("avg_order_value", mean_money("monetary_value", "frequency"))
        .withColumn("paid_repeat_days", F.col("paid_days") - (F.col("first_day_amount") > 0).cast("bigint"))
        .withColumn("mean_repeat_value", _mean_repeat_value())
    )
    return stamped(buyers, as_of, _columns("purchases"))


def _mean_repeat_value() -> Column:
    """The mean of the per-day totals after the first day, of the days that were paid."""
    later_cents = f"({cents('monetary_value')} - {cents('first_day_amount')})"
    hundred_times_days = "(100 * paid_repeat_days)"
    # It takes a thousand lines a day at the largest amount to come to more than the type holds.
    too_large = F.expr(f"paid_repeat_days > 0 AND {later_cents} >= 1000000000000 * {hundred_times_days}")
    largest = F.lit("999999999999.999999").cast(RATIO)
    return F.when(too_large, largest).otherwise(ratio(later_cents, hundred_times_days))


def preferences(transactions: DataFrame, products: DataFrame, as_of: date) -> DataFrame:
    """Each buyer's most used payment method, and the category and brand with the highest spend."""
    bought = until(transactions, "transaction_date", as_of)
    catalogue = products.select("product_id", "category", "brand")
    described = bought.join(catalogue, "product_id", "left")

    def favourite(frame: DataFrame, name: str, weight: Column) -> DataFrame:
        named = frame.withColumn(name, F.coalesce(name, F.lit(UNKNOWN)))
        weighed = named.groupBy("customer_id", name).agg(weight.alias("weight"))
        order = [F.col("weight").desc(), F.col(name).asc()]
        return first_by(weighed, ["customer_id"], order).select("customer_id", name)

    spend = total_money("amount")
    both = (
        favourite(bought, "payment_method", F.count("*"))
        .join(favourite(described, "category", spend), "customer_id")
        .join(favourite(described, "brand", spend), "customer_id")
        .withColumnsRenamed({"category": "top_category", "brand": "top_brand"})
    )
    return stamped(both, as_of, _columns("preferences"))


def returns(returns: DataFrame, transactions: DataFrame, as_of: date) -> DataFrame:
    """What each customer returned by D. Only transactions of the same customer count as returned ones."""
    came_back = until(returns, "return_date", as_of)
    totals = came_back.groupBy("customer_id").agg(
        F.count("*").alias("total_returns"), total_money("amount").alias("returned_amount")
    )
    pair = ["customer_id", "transaction_id"]
    returned = (
        until(transactions, "transaction_date", as_of)
        .join(came_back.select(*pair).distinct(), pair, "left_semi")
        .groupBy("customer_id")
        .agg(F.count("*").alias("returned_transactions"))
    )
    both = totals.join(returned, "customer_id", "left").fillna({"returned_transactions": 0})
    return stamped(both, as_of, _columns("returns"))


def support(support_tickets: DataFrame, as_of: date) -> DataFrame:
    """Tickets opened by D, as they stood at D."""
    opened = until(support_tickets, "opened_date", as_of)
    resolved = F.col("resolved_date") <= F.lit(as_of)
    later = F.col("resolved_date") > F.lit(as_of)
    unresolved = F.col("resolved_date").isNull() & ~F.col("status").isin("Closed", "Resolved")
    days = F.when(resolved, F.datediff("resolved_date", "opened_date"))
    tickets = opened.groupBy("customer_id").agg(
        F.count("*").alias("total_tickets"),
        F.count(F.when(later | unresolved, 1)).alias("open_tickets"),
        F.count(F.when(resolved, 1)).alias("resolved_tickets"),
        F.coalesce(F.sum(days), F.lit(0)).cast("bigint").alias("resolution_days"),
        F.max("opened_date").alias("last_ticket_date"),
    )
    averaged = tickets.withColumn("avg_resolution_days", ratio("resolution_days", "resolved_tickets"))
    return stamped(averaged, as_of, _columns("support"))


def engagement(web_activity: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Sessions, active days, and the decayed score by rank among customers with sessions."""
    found = sessions(web_activity, as_of, rules)
    ranks = at_or_below(found, "engagement_points")
    scored = found.join(ranks, "engagement_points").withColumn(
        "engagement_score", ratio("100 * at_or_below", "group_size")
    )
    return stamped(scored, as_of, _columns("engagement"))


def sessions(web_activity: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """The columns of engagement that a customer's own sessions tell: all but the score, which compares customers."""
    half_life = rules.engagement.half_life_days
    ages: list[tuple[int, int]] = []
    while factor := round(POINT * 0.5 ** (len(ages) / half_life)):
        ages.append((len(ages), factor))
    factors = web_activity.sparkSession.createDataFrame(ages, "age_days int, factor bigint")
    weight = F.lit(0)
    for activity, points in rules.engagement.weights.items():
        weight = F.when(F.col("activity_type") == activity, F.lit(points)).otherwise(weight)
    return (
        until(web_activity, "timestamp", as_of)
        .withColumn("day", F.col("timestamp").cast("date"))
        .groupBy("customer_id", "day")
        .agg(F.count("*").alias("sessions"), F.sum(weight.cast("bigint")).alias("weight"))
        .withColumn("age_days", days_since(as_of, "day"))
        .join(F.broadcast(factors), "age_days", "left")
        .withColumn("points", F.col("weight") * F.coalesce("factor", F.lit(0)))
        .groupBy("customer_id")
        .agg(
            F.sum("sessions").cast("bigint").alias("total_sessions"),
            F.count("*").alias("active_days"),
            F.max("day").alias("last_session_date"),
            F.sum("points").cast("bigint").alias("engagement_points"),
            _sessions_between(0, RECENT_DAYS).alias("recent_sessions"),
            _sessions_between(RECENT_DAYS, 4 * RECENT_DAYS).alias("earlier_sessions"),
        )
    )


def _sessions_between(youngest: int, oldest: int) -> Column:
    inside = (F.col("age_days") >= youngest) & (F.col("age_days") < oldest)
    return F.coalesce(F.sum(F.when(inside, F.col("sessions"))), F.lit(0)).cast("bigint")


def rfm_cut_points(purchases: DataFrame, as_of: date) -> DataFrame:
    """Quintile limits of recency, frequency and monetary value, over the buyers that customers knows."""
    known = for_each(purchases.where("NOT is_orphan"), "metric", RFM_METRICS)
    of_metric = [F.when(F.col("metric") == name, F.col(name).cast("decimal(18,2)")) for name in RFM_METRICS]
    long = known.select("metric", F.coalesce(*of_metric).alias("value"))
    cuts = nearest_rank(long, "value", QUINTILES, by=["metric"]).withColumnRenamed("group_size", "buyers")
    return stamped(cuts, as_of, _columns("rfm_cut_points"))


def rfm(purchases: DataFrame, rfm_cut_points: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """Scores and segment of each known buyer."""
    limits = rfm_cut_points.agg(
        *(
            F.max(F.when(F.col("metric") == metric, F.col(f"p{p}"))).alias(f"{metric}_p{p}")
            for metric in RFM_METRICS
            for p in QUINTILES
        )
    )

    def bins(metric: str) -> Column:
        return bin_number(metric, [f"{metric}_p{p}" for p in QUINTILES])

    scored = (
        with_row(purchases.where("NOT is_orphan"), limits)
        .withColumn("r_score", (F.lit(6) - bins("recency_days")).cast("int"))
        .withColumn("f_score", bins("frequency"))
        .withColumn("m_score", bins("monetary_value"))
        .withColumn("rfm_segment", _rfm_segment(rules))
    )
    return stamped(scored, as_of, _columns("rfm"))


def _rfm_segment(rules: Rules) -> Column:
    """The first segment of the rules whose ranges hold the scores; the rules leave no score without one."""
    segment = F.lit(None).cast("string")
    for rule in reversed(rules.rfm_segments):
        fits = (
            F.col("r_score").between(*rule.r)
            & F.col("f_score").between(*rule.f)
            & F.col("m_score").between(*rule.m)
        )
        segment = F.when(fits, F.lit(rule.name)).otherwise(segment)
    return segment


def segments(population: DataFrame, rfm: DataFrame, as_of: date, rules: Rules) -> DataFrame:
    """RFM and value segment of every known customer."""
    scores = rfm.select("customer_id", "recency_days", "frequency", "monetary_value", "rfm_segment")

    def fits(rule: ValueRule) -> Column:
        return (
            (F.col("recency_days") <= rule.max_recency_days)
            & (F.col("frequency") >= rule.min_frequency)
            & (F.col("monetary_value") >= rule.min_monetary)
        )

    value_segment = (
        F.when(F.col("frequency").isNull(), F.lit(NO_PURCHASE))
        .when(fits(rules.value_segments.high_value), F.lit("High Value"))
        .when(fits(rules.value_segments.loyal), F.lit("Loyal"))
        .when(F.col("recency_days") > rules.churn.risk_after_days, F.lit("Churn Risk"))
        .otherwise(F.lit("Regular"))
    )
    both = (
        population.select("customer_id")
        .join(scores, "customer_id", "left")
        .withColumn("value_segment", value_segment)
        .withColumn("rfm_segment", F.coalesce("rfm_segment", F.lit(NO_PURCHASE)))
    )
    return stamped(both, as_of, _columns("segments"))


def churn(
    purchases: DataFrame,
    clv: DataFrame,
    returns: DataFrame,
    support: DataFrame,
    engagement: DataFrame,
    challenger: DataFrame,
    churn_model: DataFrame,
    as_of: date,
    rules: Rules,
) -> DataFrame:
    """The churn rule and the churn probability of each known buyer, by the model that speaks, with its reasons."""
    bands = rules.churn.bands
    band = (
        F.when(F.col("churn_probability") >= F.lit(bands.high).cast("decimal(18,6)"), F.lit("High"))
        .when(F.col("churn_probability") >= F.lit(bands.medium).cast("decimal(18,6)"), F.lit("Medium"))
        .when(F.col("churn_probability").isNotNull(), F.lit("Low"))
    )
    judged = (
        with_row(purchases.where("NOT is_orphan"), churn_model.select("churn_model"))
        .join(clv.select("customer_id", F.col("p_active").alias("purchase_model")), "customer_id")
        .join(challenger.select("customer_id", F.col("p_active").alias("challenger")), "customer_id", "left")
        .join(returns.select("customer_id", "returned_transactions"), "customer_id", "left")
        .join(support.select("customer_id", "open_tickets"), "customer_id", "left")
        .join(engagement.select("customer_id", "recent_sessions", "earlier_sessions"), "customer_id", "left")
        .withColumn("is_churn_risk", F.col("recency_days") > rules.churn.risk_after_days)
        .withColumn("churn_probability", (F.lit(1) - _of_speaker()).cast("decimal(18,6)"))
        .withColumn("churn_band", band)
        .withColumn("churn_reasons", F.concat_ws("; ", *_churn_reasons()))
    )
    return stamped(judged, as_of, _columns("churn"))


def _of_speaker() -> Column:
    """What the model that speaks says; nothing where all are withheld."""
    return F.when(F.col("churn_model") == "purchase_model", F.col("purchase_model")).when(
        F.col("churn_model") == "challenger", F.col("challenger")
    )


def challenger(buyers: DataFrame, past_predictions: DataFrame, as_of: date) -> DataFrame:
    """What the challenger says of each known buyer, after learning from the window that ended at D."""
    said = with_challenger(buyers, trained(past_predictions), "p_active")
    return stamped(said, as_of, _columns("challenger"))


def _churn_reasons() -> list[Column]:
    """What of a customer's history speaks for churn, in words."""
    # The usual pause is (last - first) / (purchase days - 1); twice as long is longer than usual.
    usual = F.datediff("last_purchase_date", "first_purchase_date")
    silent = (F.col("purchase_days") > 1) & (F.col("recency_days") * (F.col("purchase_days") - 1) > 2 * usual)
    # The last month against a third of the three before it; half of it is fewer.
    fewer = F.col("recent_sessions") * 6 < F.col("earlier_sessions")
    return [
        F.when(silent, F.lit("longer silence than usual")),
        F.when(F.col("purchase_days") == 1, F.lit("bought on one day only")),
        F.when(fewer, F.lit("fewer sessions")),
        F.when(F.col("open_tickets") > 0, F.lit("an open complaint")),
        F.when(F.col("returned_transactions") * 2 >= F.col("frequency"), F.lit("returns")),
    ]


def clv(purchases: DataFrame, returns: DataFrame, purchase_model: DataFrame, as_of: date) -> DataFrame:
    """What each known buyer brought so far, net of returns, and what the purchase model expects."""
    paid_back = returns.select("customer_id", "returned_amount")
    valued = (
        with_row(purchases.where("NOT is_orphan"), purchase_model.select("purchase_model", "value_model"))
        .join(paid_back, "customer_id", "left")
        .withColumn(
            "historic_value",
            (F.col("monetary_value") - F.coalesce("returned_amount", F.lit(0))).cast("decimal(18,2)"),
        )
        .withColumn("tenure_days", days_since(as_of, "first_purchase_date"))
        .withColumn("repeat_purchase_days", F.col("purchase_days") - 1)
        .join(predicted(purchases, purchase_model, as_of), "customer_id")
    )
    return stamped(valued, as_of, _columns("clv"))


def _columns(table: str) -> list[str]:
    return list(contract_of("features", table).columns)
