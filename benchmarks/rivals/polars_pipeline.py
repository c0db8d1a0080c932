"""The tables by Polars, written by delta-rs: ``python -m benchmarks.rivals.polars_pipeline LANDING PREDICTED OUT``."""

import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
from deltalake import write_deltalake

from benchmarks.rivals import DEFAULTS, FILES, MARTS, calendar, columns_of, landed
from cip_assets.calc.as_of import months_between
from cip_assets.calc.exact import MONEY
from cip_assets.config.rules import LATEST_DAY, Rules, ValueRule, folded, load_rules
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.text_formats import (
    BLANK,
    BLANKS,
    EMAIL,
    ISO_DATE,
    ISO_TIME_TO_SECONDS,
    NO_DATE,
    PLAIN_NUMBER,
    WHOLE_NUMBER,
)
from cip_assets.layers import CONTRACTS, SOURCE_TABLES
from cip_assets.layers.cleaned.judge import PROVENANCE
from cip_assets.layers.features.engagement import POINT
from cip_assets.storage.csv_query import SIGNS

TYPES: Mapping[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "boolean": pl.Boolean,
    "int": pl.Int32,
    "decimal(18,2)": pl.Decimal(18, 2),
}
MONEY_TYPE, RATIO_TYPE = pl.Decimal(18, 2), pl.Decimal(18, 6)
TIMES = ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
SEPARATOR = "\x1f"
"""A character that no landing file has."""

Frames = dict[str, pl.DataFrame]


def main(landing: Path, predicted: Path, out: Path) -> None:
    """Compute every table and file from landing files and the predicted columns, into a new folder."""
    rules = load_rules()
    out.mkdir(parents=True)
    tables: Frames = {}
    for source in SOURCE_TABLES.values():
        by = ["month"] if source.is_event else None
        raw = _read(source, landing, rules)
        write_deltalake(out / "raw" / source.name, raw, partition_by=by)
        cleaned = _cleaned(raw, source, rules)
        write_deltalake(out / "cleaned" / source.name, cleaned, partition_by=by)
        tables[source.name] = cleaned
    as_of = tables["transactions"].select(pl.col("transaction_date").max()).item()
    given = pl.read_parquet(predicted)
    made = _features(tables, given, as_of, rules)
    made |= _marts(tables, made, given, as_of, rules)
    for name, frame in made.items():
        if name != "population":
            write_deltalake(out / ("marts" if name in MARTS else "features") / name, frame)
    for file in FILES:
        mart = made[file.mart.table].with_columns(as_of_date=pl.lit(as_of))
        _as_shown(mart, file, rules).write_csv(out / f"{file.name}.csv")


def _read(source: SourceTable, landing: Path, rules: Rules) -> pl.DataFrame:
    """Every line as text, with its file, its line and its month."""
    first, last = calendar(rules)
    parts = []
    for path, delivered in landed(landing, source.name):
        content = path.read_bytes()
        header, _, lines = content.partition(b"\n")
        fields = header.count(b",") + 1
        part = pl.read_csv(
            content, infer_schema=False, empty_string_is_null=False, truncate_ragged_lines=True
        )
        # Polars fills fields that are missing and drops those that are too many, so they are counted apart.
        line = pl.read_csv(
            lines,
            has_header=False,
            separator=SEPARATOR,
            quote_char=None,
            infer_schema=False,
            new_columns=["line"],
        ).get_column("line")
        quoted = line.str.contains('"', literal=True)
        line = line.zip_with(~quoted, line.str.replace_all('"[^"]*"', "")) if quoted.any() else line
        part = part.with_columns(
            is_whole=line.str.count_matches(",", literal=True) + 1 == fields,
            source_file=pl.lit(str(path.relative_to(landing))),
            source_line=pl.int_range(2, pl.len() + 2, dtype=pl.Int64),
            delivery_date=pl.lit(delivered, pl.Date),
        )
        if source.event_date:
            day = _date(_text(source.event_date))
            month = (
                pl.when(day.is_between(first, last)).then(day).otherwise("delivery_date").dt.truncate("1mo")
            )
            part = part.with_columns(month=month)
        parts.append(part)
    return pl.concat(parts)


def _cleaned(raw: pl.DataFrame, source: SourceTable, rules: Rules) -> pl.DataFrame:
    """The newest good line of each id, in the types of the contract."""
    here = [name for name in source.texts if name in raw.columns]
    kinds = {name: source.cleaned.columns[name].dtype.type.simpleString() for name in source.texts}
    provenance = [name for name in PROVENANCE if name in raw.columns]
    texts = (
        raw.lazy()
        .filter("is_whole")
        .select(*(_present(name, source).alias(f"t_{name}") for name in here), *provenance)
    )
    typed = texts.with_columns(_typed(f"t_{name}", name, source, rules).alias(name) for name in here)
    for name in source.defaults:
        if name not in here:
            copied = DEFAULTS.get(f"{source.name}.{name}")
            value = pl.col(copied) if copied else pl.lit(False if kinds[name] == "boolean" else None)
            typed = typed.with_columns(value.cast(TYPES[kinds[name]]).alias(name))
    broken = [
        *(
            pl.col(f"t_{name}").is_not_null() & pl.col(name).is_null()
            for name in here
            if kinds[name] != "string" and name != "date_of_birth"
        ),
        *(
            pl.sql_expr(rule.broken_when).fill_null(value=False)
            for rule in source.cleaned.rules
            if rule.name.split(":")[0] not in PROVENANCE
        ),
    ]
    if source.event_date:
        day = pl.col(source.event_date).cast(pl.Date)
        broken.append((day.dt.truncate("1mo") != pl.col("month")).fill_null(value=False))
    good = typed.filter(~pl.any_horizontal(broken))
    if source.name == "customers":
        latest = pl.coalesce("signup_date", "delivery_date", pl.lit(LATEST_DAY))
        born = pl.col("date_of_birth").is_between(date(1900, 1, 1), latest)
        good = good.with_columns(
            is_email_plausible=pl.col("email").str.contains(EMAIL),
            is_birth_date_plausible=pl.when(pl.col("t_date_of_birth").is_not_null()).then(
                born.fill_null(value=False)
            ),
        )
    lines = good.select(columns_of(source)).collect()
    shared = lines.get_column(source.id_column).is_duplicated()
    if not shared.any():
        return lines
    newest = lines.filter(shared).sort("delivery_date", "source_file", "source_line", nulls_last=False)
    return pl.concat(
        [lines.filter(~shared), newest.unique(source.id_column, keep="last", maintain_order=True)]
    )


def _text(name: str) -> pl.Expr:
    text = pl.col(name).str.strip_chars(BLANKS)
    return pl.when(text != "").then(text)


def _present(name: str, source: SourceTable) -> pl.Expr:
    declared, text = source.cleaned.columns[name], _text(name)
    if declared.nullable and declared.dtype.type.simpleString() == "date":
        return pl.when(~text.str.head(10).is_in(NO_DATE)).then(text)
    return text


def _date(text: pl.Expr) -> pl.Expr:
    return pl.when(text.str.contains(ISO_DATE)).then(text.str.head(10).str.to_date("%Y-%m-%d", strict=False))


def _typed(text_name: str, name: str, source: SourceTable, rules: Rules) -> pl.Expr:
    data_type, text = source.cleaned.columns[name].dtype.type, pl.col(text_name)
    kind = data_type.simpleString()
    if kind == "string":
        return _word(text, f"{source.name}.{name}", rules)
    if kind == "date":
        return _date(text)
    if kind == "timestamp":
        moment = text.str.extract(f"({ISO_TIME_TO_SECONDS})").str.replace("T", " ", literal=True)
        read = pl.coalesce(moment.str.to_datetime(form, strict=False, time_unit="us") for form in TIMES)
        return pl.when(text.str.contains(ISO_DATE)).then(read).dt.replace_time_zone("UTC")
    if kind == "boolean":
        return pl.when(text.str.to_lowercase().is_in(["true", "false"])).then(
            text.str.to_lowercase() == "true"
        )
    pattern = PLAIN_NUMBER if data_type == MONEY else WHOLE_NUMBER
    return pl.when(text.str.contains(pattern)).then(text.cast(TYPES[kind], strict=False))


def _word(text: pl.Expr, key: str, rules: Rules) -> pl.Expr:
    words = rules.vocabulary.get(key, ())
    if words:
        seen = text.str.replace_all(f"{BLANK}+", " ").str.to_lowercase()
        spelled = seen.replace_strict([folded(word) for word in words], list(words), default=text)
        text = pl.when(text.is_in(list(words))).then(text).otherwise(spelled)
    return text.fill_null(rules.fill[key]) if key in rules.fill else text


def _ratio(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    """A quotient of whole numbers that are not negative, rounded half up to six places."""
    return (_half_up(1_000_000 * numerator, denominator).cast(pl.Decimal(38, 6)) / 1_000_000).cast(RATIO_TYPE)


def _mean_money(total: str, count: str) -> pl.Expr:
    return (_half_up(_cents(total), pl.col(count)).cast(pl.Decimal(38, 2)) / 100).cast(MONEY_TYPE)


def _half_up(numerator: pl.Expr, denominator: pl.Expr) -> pl.Expr:
    whole, by = numerator.cast(pl.Int64), denominator.cast(pl.Int64)
    return pl.when(by > 0).then((2 * whole + by) // (2 * by))


def _cents(name: str) -> pl.Expr:
    return (pl.col(name) * 100).cast(pl.Int64)


def _total(name: str) -> pl.Expr:
    return pl.when(pl.col(name).null_count() == 0).then(pl.col(name).sum()).cast(MONEY_TYPE)


def _count() -> pl.Expr:
    return pl.len().cast(pl.Int64)


def _distinct(name: str) -> pl.Expr:
    return pl.col(name).drop_nulls().n_unique().cast(pl.Int64)


def _features(tables: Frames, predicted: pl.DataFrame, as_of: date, rules: Rules) -> Frames:
    customers = tables["customers"]
    sold = tables["transactions"].filter(pl.col("transaction_date") <= as_of)
    bought = sold.filter(pl.col("customer_id").is_not_null())
    returned = tables["returns"].filter(pl.col("return_date") <= as_of)
    opened = tables["support_tickets"].filter(pl.col("opened_date") <= as_of)
    visited = (
        tables["web_activity"].with_columns(day=pl.col("timestamp").dt.date()).filter(pl.col("day") <= as_of)
    )
    seen = pl.concat(frame.get_column("customer_id") for frame in (sold, returned, opened, visited)).unique()
    signed_up = pl.col("signup_date").is_null() | (pl.col("signup_date") <= as_of)
    population = customers.filter(signed_up | pl.col("customer_id").is_in(seen.implode()))
    made: Frames = {
        "population": population.select("customer_id", "signup_date"),
        "purchases": _purchases(bought, customers, as_of),
        "preferences": _preferences(bought, tables["products"]),
        "returns": _returns(returned, bought),
        "support": _support(opened, as_of),
        "engagement": _engagement(visited, as_of, rules),
    }
    made["rfm"] = _rfm(made["purchases"], rules)
    made["segments"] = _segments(made["population"], made["rfm"], predicted, rules)
    return made


def _purchases(bought: pl.DataFrame, customers: pl.DataFrame, as_of: date) -> pl.DataFrame:
    days = (
        bought.lazy()
        .group_by("customer_id", "order_id")
        .agg(pl.col("transaction_date").min(), _total("amount"))
        .group_by("customer_id", "transaction_date")
        .agg(_count().alias("orders"), _total("amount"))
        .sort("customer_id", "transaction_date")
    )
    return (
        days.group_by("customer_id")
        .agg(
            pl.col("transaction_date").min().alias("first_purchase_date"),
            pl.col("transaction_date").max().alias("last_purchase_date"),
            pl.col("orders").sum().alias("frequency"),
            _count().alias("purchase_days"),
            (pl.col("amount") > 0).sum().cast(pl.Int64).alias("paid_days"),
            _total("amount").alias("monetary_value"),
            pl.col("amount").first().alias("first_day_amount"),
        )
        .join(
            customers.lazy().select("customer_id", is_orphan=pl.lit(value=False)),
            on="customer_id",
            how="left",
        )
        .with_columns(
            is_orphan=pl.col("is_orphan").fill_null(value=True),
            recency_days=(pl.lit(as_of) - pl.col("last_purchase_date")).dt.total_days().cast(pl.Int32),
            paid_repeat_days=pl.col("paid_days") - (pl.col("first_day_amount") > 0).cast(pl.Int64),
            avg_order_value=_mean_money("monetary_value", "frequency"),
        )
        .with_columns(
            mean_repeat_value=_ratio(
                _cents("monetary_value") - _cents("first_day_amount"), 100 * pl.col("paid_repeat_days")
            )
        )
        .drop("first_day_amount")
        .collect()
    )


def _preferences(bought: pl.DataFrame, products: pl.DataFrame) -> pl.DataFrame:
    described = bought.select("customer_id", "product_id", "amount").join(
        products.select("product_id", "category", "brand"), on="product_id", how="left"
    )

    def favorite(frame: pl.DataFrame, name: str, weight: pl.Expr) -> pl.DataFrame:
        named = frame.with_columns(pl.col(name).fill_null("Unknown"))
        weighed = named.group_by("customer_id", name).agg(weight.alias("weight"))
        heaviest = weighed.sort("customer_id", "weight", name, descending=[False, True, False])
        return heaviest.unique("customer_id", keep="first", maintain_order=True).select("customer_id", name)

    orders = bought.select("customer_id", "order_id", "payment_method").unique()
    return (
        favorite(orders, "payment_method", pl.len())
        .join(favorite(described, "category", pl.col("amount").sum()), on="customer_id")
        .join(favorite(described, "brand", pl.col("amount").sum()), on="customer_id")
        .rename({"category": "top_category", "brand": "top_brand"})
    )


def _returns(returned: pl.DataFrame, bought: pl.DataFrame) -> pl.DataFrame:
    of_customers = returned.filter(pl.col("customer_id").is_not_null())
    undone = (
        pl.concat(
            bought.join(
                of_customers.select("customer_id", place), on=["customer_id", place], how="semi"
            ).select("customer_id", "order_id")
            for place in ("transaction_id", "order_id")
        )
        .unique()
        .group_by("customer_id")
        .agg(_count().alias("returned_orders"))
    )
    totals = of_customers.group_by("customer_id").agg(
        _count().alias("total_returns"), _total("amount").alias("returned_amount")
    )
    return totals.join(undone, on="customer_id", how="left").with_columns(
        pl.col("returned_orders").fill_null(0)
    )


def _support(opened: pl.DataFrame, as_of: date) -> pl.DataFrame:
    resolved = pl.col("resolved_date")
    is_resolved = resolved <= as_of
    is_open = (resolved > as_of) | (resolved.is_null() & ~pl.col("status").is_in(["Closed", "Resolved"]))
    return (
        opened.group_by("customer_id")
        .agg(
            _count().alias("total_tickets"),
            is_open.sum().cast(pl.Int64).alias("open_tickets"),
            is_resolved.sum().cast(pl.Int64).alias("resolved_tickets"),
            (resolved - pl.col("opened_date"))
            .dt.total_days()
            .filter(is_resolved)
            .sum()
            .alias("resolution_days"),
            pl.col("opened_date").max().alias("last_ticket_date"),
        )
        .with_columns(avg_resolution_days=_ratio(pl.col("resolution_days"), pl.col("resolved_tickets")))
        .drop("resolution_days")
    )


def _engagement(visited: pl.DataFrame, as_of: date, rules: Rules) -> pl.DataFrame:
    factors = []
    while factor := round(POINT * 0.5 ** (len(factors) / rules.engagement.half_life_days)):
        factors.append(factor)
    by_age = pl.DataFrame(
        {"age": range(len(factors)), "factor": factors}, schema={"age": pl.Int64, "factor": pl.Int64}
    )
    weights = rules.engagement.weights
    weight = pl.col("activity_type").replace_strict(
        list(weights), list(weights.values()), default=0, return_dtype=pl.Int64
    )
    sessions, age = pl.col("sessions"), pl.col("age")
    return (
        visited.lazy()
        .group_by("customer_id", "day")
        .agg(_count().alias("sessions"), weight.sum().alias("weight"))
        .with_columns(age=(pl.lit(as_of) - pl.col("day")).dt.total_days())
        .join(by_age.lazy(), on="age", how="left")
        .group_by("customer_id")
        .agg(
            sessions.sum().alias("total_sessions"),
            _count().alias("active_days"),
            pl.col("day").max().alias("last_session_date"),
            (pl.col("weight") * pl.col("factor").fill_null(0)).sum().alias("engagement_points"),
            sessions.filter(age < 30).sum().alias("recent_sessions"),
            sessions.filter((age >= 30) & (age < 120)).sum().alias("earlier_sessions"),
        )
        .with_columns(
            engagement_score=_ratio(100 * pl.col("engagement_points").rank("max").cast(pl.Int64), pl.len())
        )
        .collect()
    )


def _rfm(purchases: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    known = purchases.filter(~pl.col("is_orphan")).select(
        "customer_id", "recency_days", "frequency", "monetary_value"
    )

    def bins(name: str) -> pl.Expr:
        ordered = known.get_column(name).sort()
        cuts = [ordered[-(-share * len(ordered) // 100) - 1] for share in (20, 40, 60, 80)]
        return pl.sum_horizontal((pl.col(name) > cut).cast(pl.Int32) for cut in cuts)

    segment = pl.lit(None, pl.String)
    for rule in reversed(rules.rfm_segments):
        fits = (
            pl.col("r_score").is_between(*rule.r)
            & pl.col("f_score").is_between(*rule.f)
            & pl.col("m_score").is_between(*rule.m)
        )
        segment = pl.when(fits).then(pl.lit(rule.name)).otherwise(segment)
    return known.with_columns(
        r_score=5 - bins("recency_days"), f_score=1 + bins("frequency"), m_score=1 + bins("monetary_value")
    ).with_columns(rfm_segment=segment)


def _segments(
    population: pl.DataFrame, rfm: pl.DataFrame, predicted: pl.DataFrame, rules: Rules
) -> pl.DataFrame:
    def fits(rule: ValueRule) -> pl.Expr:
        return (
            (pl.col("recency_days") <= rule.max_recency_days)
            & (pl.col("frequency") >= rule.min_frequency)
            & (pl.col("monetary_value") >= rule.min_monetary)
        )

    value = (
        pl.when(pl.col("frequency").is_null())
        .then(pl.lit("No purchase"))
        .when(fits(rules.value_segments.high_value))
        .then(pl.lit("High Value"))
        .when(fits(rules.value_segments.loyal))
        .then(pl.lit("Loyal"))
        .when(pl.col("is_churn_risk").is_null())
        .then(pl.lit("Unknown"))
        .when(pl.col("is_churn_risk"))
        .then(pl.lit("Churn Risk"))
        .otherwise(pl.lit("Regular"))
    )
    scored = (
        population.select("customer_id")
        .join(rfm, on="customer_id", how="left")
        .join(predicted.select("customer_id", "is_churn_risk"), on="customer_id", how="left")
    )
    return scored.select("customer_id", pl.col("rfm_segment").fill_null("No purchase"), value_segment=value)


def _marts(tables: Frames, made: Frames, predicted: pl.DataFrame, as_of: date, rules: Rules) -> Frames:
    sold = tables["transactions"].filter(pl.col("transaction_date") <= as_of)
    returned = tables["returns"].filter(pl.col("return_date") <= as_of)
    opened = tables["support_tickets"].filter(pl.col("opened_date") <= as_of)
    visited = tables["web_activity"].filter(pl.col("timestamp").dt.date() <= as_of)
    customer_360 = _customer_360(tables["customers"], made, predicted)
    months = pl.DataFrame({"month": months_between(sold.get_column("month").min(), as_of)})
    return {
        "customer_360": customer_360,
        "cohort_retention": _cohort_retention(sold, made["purchases"], months, as_of),
        "kpi_totals": _kpi_totals(made["population"], made["purchases"], sold, returned),
        "kpi_currencies": _kpi_currencies(sold, returned),
        "kpi_activity": visited.group_by(pl.col("activity_type").fill_null("Unknown"))
        .agg(_count().alias("sessions"), _distinct("customer_id").alias("customers"))
        .with_columns(session_share=_ratio(pl.col("sessions"), pl.col("sessions").sum())),
        "kpi_revenue_segment": _kpi_revenue_segment(customer_360),
        "kpi_monthly_revenue": months.join(
            sold.group_by("month").agg(
                _total("amount").alias("monthly_revenue"),
                _distinct("order_id").alias("orders"),
                _distinct("customer_id").alias("buyers"),
            ),
            on="month",
            how="left",
        ).with_columns(pl.exclude("month").fill_null(0), is_complete=_is_over(as_of)),
        "kpi_top_customers": _top(
            customer_360.filter(pl.col("frequency") > 0), "monetary_value", "customer_id", rules
        ).select("rank", "customer_id", "monetary_value", "frequency", "last_purchase_date", "rfm_segment"),
        "kpi_top_products": _kpi_top_products(sold, tables["products"], rules),
        "kpi_trends": _kpi_trends(sold, returned, opened, visited, months, as_of, rules),
    }


def _customer_360(customers: pl.DataFrame, made: Frames, predicted: pl.DataFrame) -> pl.DataFrame:
    joined = made["population"].lazy()
    parts = [
        customers.drop("signup_date", "source_file", "source_line", "delivery_date"),
        made["purchases"].drop("is_orphan"),
        made["preferences"],
        made["returns"],
        made["support"],
        made["engagement"],
        made["rfm"].select("customer_id", "r_score", "f_score", "m_score"),
        made["segments"],
        predicted,
    ]
    for part in parts:
        joined = joined.join(part.lazy(), on="customer_id", how="left")
    frequency = pl.col("frequency")
    zeros = (
        *(
            "frequency",
            "monetary_value",
            "purchase_days",
            "total_returns",
            "returned_amount",
            "total_tickets",
        ),
        *("open_tickets", "total_sessions", "active_days", "engagement_score"),
    )
    net = (pl.col("monetary_value") - pl.col("returned_amount")).cast(MONEY_TYPE)
    return (
        joined.with_columns(
            return_rate=_ratio(pl.col("returned_orders").fill_null(0), frequency),
        )
        .with_columns(pl.col(zeros).fill_null(0))
        .with_columns(net_revenue=net, historic_value=net)
        .select(name for name in _columns("marts/customer_360"))
        .collect()
    )


def _columns(table: str) -> Sequence[str]:
    return [name for name in CONTRACTS[table].columns if name != "as_of_date"]


def _cohort_retention(
    sold: pl.DataFrame, purchases: pl.DataFrame, months: pl.DataFrame, as_of: date
) -> pl.DataFrame:
    starts = purchases.select("customer_id", cohort_month=pl.col("first_purchase_date").dt.truncate("1mo"))
    active = (
        sold.select("customer_id", "month")
        .unique()
        .join(starts, on="customer_id")
        .group_by("cohort_month", "month")
        .agg(_count().alias("active"))
    )
    start, month = pl.col("cohort_month"), pl.col("month")
    number = (
        12 * (month.dt.year() - start.dt.year())
        + month.dt.month().cast(pl.Int32)
        - start.dt.month().cast(pl.Int32)
    )
    return (
        starts.group_by("cohort_month")
        .agg(_count().alias("cohort_size"))
        .join_where(months, month >= start)
        .join(active, on=["cohort_month", "month"], how="left")
        .with_columns(
            month_number=number.cast(pl.Int32),
            active_buyers=pl.when(_is_over(as_of)).then(pl.col("active").fill_null(0)),
        )
        .with_columns(retention_rate=_ratio(pl.col("active_buyers"), pl.col("cohort_size")))
        .select(_columns("marts/cohort_retention"))
    )


def _is_over(as_of: date) -> pl.Expr:
    return pl.col("month").dt.month_end() <= as_of


def _kpi_totals(
    population: pl.DataFrame, purchases: pl.DataFrame, sold: pl.DataFrame, returned: pl.DataFrame
) -> pl.DataFrame:
    lowest, highest = pl.col("currency").min(), pl.col("currency").max()
    sales = sold.select(
        _distinct("order_id").alias("orders"),
        _count().alias("order_lines"),
        pl.col("order_id").filter("is_guest").n_unique().cast(pl.Int64).alias("guest_orders"),
        pl.col("transaction_date").min().alias("first_order_day"),
        pl.col("transaction_date").max().alias("last_order_day"),
        pl.when(lowest < highest).then(pl.lit("mixed")).otherwise(lowest).alias("currency"),
        _total("amount").alias("total_revenue"),
        _total("charged").alias("charged"),
        pl.col("amount").filter("is_guest").sum().cast(MONEY_TYPE).alias("guest_revenue"),
    )
    back = returned.with_columns(refunded=pl.coalesce("refunded", "amount")).select(
        _total("amount").alias("returned_amount"), _total("refunded")
    )
    bought = purchases.select(
        _count().alias("buyers"),
        pl.col("monetary_value").filter("is_orphan").sum().cast(MONEY_TYPE).alias("orphan_revenue"),
    )
    customers = population.select(_count().alias("total_customers"))
    return (
        pl.concat([customers, bought, sales, back], how="horizontal")
        .with_columns(
            net_revenue=(pl.col("total_revenue") - pl.col("returned_amount")).cast(MONEY_TYPE),
            avg_order_value=_mean_money("total_revenue", "orders"),
        )
        .select(_columns("marts/kpi_totals"))
    )


def _kpi_currencies(sold: pl.DataFrame, returned: pl.DataFrame) -> pl.DataFrame:
    own = (
        pl.when(pl.col("currency").is_not_null())
        .then(pl.coalesce("original_amount", "amount"))
        .otherwise("amount")
    )
    name = pl.col("currency").fill_null("Unknown")
    sales = (
        sold.with_columns(own=own)
        .group_by(name)
        .agg(
            _distinct("order_id").alias("orders"),
            _count().alias("order_lines"),
            _total("own").alias("total_revenue"),
            _total("charged"),
        )
    )
    back = (
        returned.with_columns(own=own, refunded=pl.coalesce("refunded", "amount"))
        .group_by(name)
        .agg(_total("own").alias("returned_amount"), _total("refunded"))
    )
    net = (pl.col("total_revenue") - pl.col("returned_amount")).cast(MONEY_TYPE)
    joined = sales.join(back, on="currency", how="full", coalesce=True)
    return joined.with_columns(pl.col("orders", "order_lines").fill_null(0), net_revenue=net)


def _kpi_revenue_segment(customer_360: pl.DataFrame) -> pl.DataFrame:
    long = pl.concat(
        customer_360.select(
            pl.lit(name).alias("segmentation"),
            pl.col(name).fill_null("Unknown").alias("segment"),
            "frequency",
            "monetary_value",
            "net_revenue",
        )
        for name in ("rfm_segment", "value_segment", "customer_segment", "region")
    )
    whole = customer_360.select(_cents("monetary_value").sum()).item()
    return (
        long.group_by("segmentation", "segment")
        .agg(
            _count().alias("customers"),
            (pl.col("frequency") > 0).sum().cast(pl.Int64).alias("buyers"),
            _total("monetary_value").alias("revenue"),
            _total("net_revenue"),
        )
        .with_columns(revenue_share=_ratio(_cents("revenue"), pl.lit(whole)))
    )


def _top(frame: pl.DataFrame, value: str, key: str, rules: Rules) -> pl.DataFrame:
    best = frame.sort(value, key, descending=[True, False]).head(rules.top_n)
    return best.with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int32))


def _kpi_top_products(sold: pl.DataFrame, products: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    by_product = (
        sold.filter(pl.col("product_id").is_not_null())
        .group_by("product_id")
        .agg(
            _total("amount").alias("revenue"),
            pl.col("quantity").cast(pl.Int64).sum().alias("units"),
            _distinct("order_id").alias("orders"),
            _distinct("customer_id").alias("buyers"),
        )
    )
    names = ("product_name", "category", "brand")
    best = _top(by_product, "revenue", "product_id", rules).join(
        products.select("product_id", *names), on="product_id", how="left"
    )
    return best.with_columns(pl.col(names).fill_null("Unknown")).select(_columns("marts/kpi_top_products"))


def _kpi_trends(
    sold: pl.DataFrame,
    returned: pl.DataFrame,
    opened: pl.DataFrame,
    visited: pl.DataFrame,
    months: pl.DataFrame,
    as_of: date,
    rules: Rules,
) -> pl.DataFrame:
    day, end, following = pl.col("transaction_date"), pl.col("month").dt.month_end(), pl.col("next")
    repeat = timedelta(rules.repeat.within_days)
    is_first = pl.col("customer_id").is_first_distinct()
    buyers = (
        sold.filter(pl.col("customer_id").is_not_null())
        .select("customer_id", "month", "transaction_date")
        .unique()
        .sort("customer_id", "transaction_date")
        .with_columns(
            is_first=is_first,
            # Of the same customer only: the rows are sorted.
            next=pl.when(pl.col("customer_id") == pl.col("customer_id").shift(-1)).then(day.shift(-1)),
        )
        .group_by("customer_id", "month")
        .agg(
            pl.col("is_first").any(),
            (pl.col("is_first") & (day + repeat >= following)).any().alias("is_second_soon"),
        )
    )
    visits = visited.group_by("customer_id", "month").agg(_count().alias("sessions"))
    active = buyers.join(visits, on=["customer_id", "month"], how="full", coalesce=True)
    has_new = (end.first() + repeat <= as_of) & pl.col("is_first").any()
    counted = active.group_by("month").agg(
        _count().alias("active_customers"),
        pl.col("is_first").count().cast(pl.Int64).alias("buyers"),
        (~pl.col("is_first")).sum().cast(pl.Int64).alias("returning_buyers"),
        pl.col("sessions").sum(),
        *(
            pl.when(has_new).then(pl.col(flag).sum().cast(pl.Int64)).alias(name)
            for name, flag in (("new_buyers", "is_first"), ("second_orders", "is_second_soon"))
        ),
    )
    joined = months.join(counted, on="month", how="left")
    for name, frame in (("order_lines", sold), ("returns", returned), ("tickets", opened)):
        joined = joined.join(frame.group_by("month").agg(_count().alias(name)), on="month", how="left")
    counts = (
        "buyers",
        "returning_buyers",
        "active_customers",
        "sessions",
        "order_lines",
        "returns",
        "tickets",
    )
    return (
        joined.with_columns(pl.col(counts).fill_null(0), is_complete=_is_over(as_of))
        .with_columns(
            repeat_rate=_ratio(pl.col("returning_buyers"), pl.col("buyers")),
            return_ratio=_ratio(pl.col("returns"), pl.col("order_lines")),
            complaints_per_100=_ratio(100 * pl.col("tickets"), pl.col("active_customers")),
            second_order_rate=_ratio(pl.col("second_orders"), pl.col("new_buyers")),
        )
        .select(_columns("marts/kpi_trends"))
    )


def _as_shown(mart: pl.DataFrame, file: CsvFile, rules: Rules) -> pl.DataFrame:
    """The rows of a file: months as text, personal data as the rules allow, and no formulas."""
    shown = rules.personal_data.model_dump()
    chosen: list[pl.Expr] = []
    for name in file.columns:
        cell = pl.col(name)
        if name in file.months:
            cell = cell.dt.strftime("%Y-%m")
        elif file.mart.is_pii(name) and shown[name] == "hidden":
            cell = pl.lit(None).alias(name)
        elif name == "email" and shown[name] == "masked":
            plain = cell.str.replace("^(.)[^@]*", "${1}***")
            cell = pl.when(cell.str.contains(EMAIL)).then(plain).when(cell != "").then(pl.lit("***"))
        chosen.append(cell.alias(name))
    rows = mart
    if file.spread:
        spread = file.spread
        rows = mart.pivot(spread.by, index=file.columns, values=spread.value, sort_columns=True)
        months = [name for name in rows.columns if name not in file.columns]
        rows = rows.rename({name: f"{spread.prefix}{name}" for name in months})
        chosen += [pl.col(f"{spread.prefix}{name}") for name in months]
    safe = [
        pl.when(pl.col(pl.String).str.contains(f"[\t\r\n{SIGNS}]"))
        .then(
            pl.col(pl.String)
            .str.replace_all(f"(^|[;\t\r\n])('*[{SIGNS}])", "${1}'${2}")
            .str.replace("^('*[\t\r\n])", "'${1}")
        )
        .otherwise(pl.col(pl.String))
        .name.keep()
    ]
    return rows.sort(file.order_by).select(chosen).with_columns(safe)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
