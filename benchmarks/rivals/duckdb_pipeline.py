"""The tables by DuckDB, written by delta-rs: ``python -m benchmarks.rivals.duckdb_pipeline LANDING PREDICTED OUT``."""

import sys
from collections.abc import Mapping
from pathlib import Path

import duckdb
from deltalake import write_deltalake

from benchmarks.rivals import DEFAULTS, FILES, MARTS, PREDICTED, calendar, columns_of, in_sql, landed
from cip_assets.calc.exact import MONEY
from cip_assets.config.rules import LATEST_DAY, Rules, folded, load_rules
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
from cip_assets.layers import SOURCE_TABLES
from cip_assets.layers.cleaned.judge import PROVENANCE
from cip_assets.storage.csv_query import query

SQL_TYPES = {"string": "VARCHAR", "int": "INTEGER", "decimal(18,2)": "DECIMAL(18,2)"}

MACROS = """
SET TimeZone = 'UTC';
CREATE MACRO total(money) AS
  CASE WHEN count(money) = count(*) THEN coalesce(sum(money), 0)::DECIMAL(18,2) END;
CREATE MACRO cents(money) AS (money * 100)::BIGINT;
CREATE MACRO half_up(n, d) AS (2 * n::HUGEINT + d) // (2 * d);
CREATE MACRO ratio(n, d) AS
  CASE WHEN d > 0 THEN (half_up(1000000 * n::HUGEINT, d) * 0.000001::DECIMAL(7,6))::DECIMAL(18,6) END;
CREATE MACRO mean_money(money, d) AS
  CASE WHEN d > 0 THEN (half_up(cents(money), d) * 0.01::DECIMAL(3,2))::DECIMAL(18,2) END;
"""


def main(landing: Path, predicted: Path, out: Path) -> None:
    """Compute every table and file from landing files and the predicted columns, into a new folder."""
    rules = load_rules()
    out.mkdir(parents=True)
    with duckdb.connect(out / "scratch.duckdb") as connection:
        connection.execute(MACROS)
        for source in SOURCE_TABLES.values():
            _read(connection, source, landing, out, rules)
            _clean(connection, source, out, rules)
        (day,) = connection.execute("SELECT max(transaction_date) FROM transactions").fetchone() or (None,)
        connection.execute(f"SET VARIABLE as_of = DATE '{day}'")
        connection.execute(f"CREATE VIEW predicted AS FROM {in_sql(predicted)}")
        connection.execute(_PREPARED)
        statements = _features(rules) | _marts(rules)
        for name, statement in statements.items():
            connection.execute(f"CREATE TABLE made_{name} AS {statement}")
            layer = "marts" if name in MARTS else "features"
            _write(connection, f"made_{name}", out / layer / name)
        for file in FILES:
            connection.execute(
                f"CREATE OR REPLACE VIEW mart AS SELECT *, getvariable('as_of') AS as_of_date "
                f"FROM made_{file.mart.table}"
            )
            text = query(file, connection, rules)
            connection.execute(
                f"COPY ({text} ORDER BY {', '.join(file.order_by)}) TO '{out / file.name}.csv' (HEADER)"
            )
    (out / "scratch.duckdb").unlink()


def _write(connection: duckdb.DuckDBPyConnection, name: str, target: Path, by: str | None = None) -> None:
    reader = connection.sql(f"FROM {name}").to_arrow_reader(100_000)
    write_deltalake(target, reader, mode="overwrite", partition_by=[by] if by else None)


def _read(
    connection: duckdb.DuckDBPyConnection, source: SourceTable, landing: Path, out: Path, rules: Rules
) -> None:
    """Every line as text, with its file, its line and its month."""
    first, last = calendar(rules)
    for number, (path, delivered) in enumerate(landed(landing, source.name)):
        with path.open(encoding="utf-8") as lines:
            header = next(lines).rstrip("\n").split(",")
        texts = dict.fromkeys((*header, "more"), "VARCHAR")
        month, delivery = "", f"DATE '{delivered}'" if delivered else "NULL::DATE"
        if source.event_date:
            day = _date(_text(source.event_date))
            month = (
                f", date_trunc('month', CASE WHEN {day} BETWEEN DATE '{first}' AND DATE '{last}' THEN {day} "
                f"ELSE DATE '{delivered}' END)::DATE AS month"
            )
        # A field that is missing is read as NULL, and an empty one as a text.
        records = (
            f"read_csv({in_sql(path)}, header = false, skip = 1, delim = ',', quote = '\"', escape = '\"', "
            f"nullstr = '\\x01', columns = {texts}, null_padding = true, strict_mode = false, auto_detect = false)"
        )
        whole = f"{header[-1]} IS NOT NULL AND more IS NULL"
        connection.execute(
            f"{'INSERT INTO' if number else 'CREATE TABLE'} raw_{source.name} {'' if number else 'AS'} "
            f"SELECT {', '.join(header)}, {whole} AS is_whole, '{path.relative_to(landing)}' AS source_file, "
            f"1 + row_number() OVER () AS source_line, "
            f"{delivery} AS delivery_date{month} FROM {records}"
        )
    _write(connection, f"raw_{source.name}", out / "raw" / source.name, "month" if source.is_event else None)


def _clean(connection: duckdb.DuckDBPyConnection, source: SourceTable, out: Path, rules: Rules) -> None:
    """The newest good line of each id, in the types of the contract."""
    landed_columns = {row[0] for row in connection.execute(f"DESCRIBE raw_{source.name}").fetchall()}
    here = [name for name in source.texts if name in landed_columns]
    texts = {name: _present(name, source) for name in here}
    values = [f"{_typed(f't_{name}', name, source, rules)} AS {name}" for name in here]
    for name in source.defaults:
        if name not in here:
            kind = source.cleaned.columns[name].dtype.type.simpleString()
            default = DEFAULTS.get(f"{source.name}.{name}", "false" if kind == "boolean" else "NULL")
            values.append(f"{default}::{SQL_TYPES.get(kind, kind)} AS {name}")
    provenance = [name for name in PROVENANCE if name in landed_columns]
    read = [
        name
        for name in here
        if source.cleaned.columns[name].dtype.type.simpleString() != "string" and name != "date_of_birth"
    ]
    broken = [
        *(f"t_{name} IS NOT NULL AND {name} IS NULL" for name in read),
        *(
            rule.broken_when.replace(" RLIKE ", " ~ ")
            for rule in source.cleaned.rules
            if rule.name.split(":")[0] not in PROVENANCE
        ),
    ]
    if source.event_date:
        broken.append(f"{source.event_date}::DATE NOT BETWEEN month AND last_day(month)")
    derived = _DERIVED.get(source.name, "")
    # Once, because three parts of the next statement read it.
    connection.execute(
        f"CREATE TABLE good AS "
        f"WITH texts AS (SELECT {', '.join(f'{text} AS t_{name}' for name, text in texts.items())}, "
        f"{', '.join(provenance)} FROM raw_{source.name} WHERE is_whole), "
        f"typed AS (SELECT *, {', '.join(values)} FROM texts), "
        f"judged AS (SELECT *{derived} FROM typed "
        f"WHERE NOT ({' OR '.join(f'coalesce({each}, false)' for each in broken)})) "
        f"SELECT {', '.join(columns_of(source))} FROM judged"
    )
    connection.execute(
        f"CREATE TABLE {source.name} AS "
        f"WITH ids AS (SELECT {source.id_column} AS id FROM good GROUP BY id HAVING count(*) > 1) "
        f"FROM good WHERE {source.id_column} NOT IN (FROM ids) UNION ALL "
        f"FROM good WHERE {source.id_column} IN (FROM ids) "
        f"QUALIFY row_number() OVER (PARTITION BY {source.id_column} "
        "ORDER BY delivery_date DESC NULLS LAST, source_file DESC, source_line DESC) = 1"
    )
    connection.execute("DROP TABLE good")
    connection.execute(f"DROP TABLE raw_{source.name}")
    _write(connection, source.name, out / "cleaned" / source.name, "month" if source.is_event else None)


def _text(name: str) -> str:
    return f"nullif(trim({name}, '{BLANKS}'), '')"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _present(name: str, source: SourceTable) -> str:
    declared = source.cleaned.columns[name]
    text = _text(name)
    if declared.nullable and declared.dtype.type.simpleString() == "date":
        return f"CASE WHEN {text}[:10] NOT IN {NO_DATE} THEN {text} END"
    return text


def _date(text: str) -> str:
    return f"CASE WHEN regexp_matches({text}, '{ISO_DATE}') THEN try_cast({text}[:10] AS DATE) END"


def _typed(text: str, name: str, source: SourceTable, rules: Rules) -> str:
    data_type = source.cleaned.columns[name].dtype.type
    kind = data_type.simpleString()
    if kind == "string":
        return _word(text, f"{source.name}.{name}", rules)
    if kind == "date":
        return _date(text)
    if kind == "timestamp":
        moment = f"try_cast(regexp_extract({text}, '{ISO_TIME_TO_SECONDS}') AS TIMESTAMP)"
        return f"CASE WHEN regexp_matches({text}, '{ISO_DATE}') THEN {moment}::TIMESTAMPTZ END"
    if kind == "boolean":
        return f"CASE lower({text}) WHEN 'true' THEN true WHEN 'false' THEN false END"
    pattern = PLAIN_NUMBER if data_type == MONEY else WHOLE_NUMBER
    return f"CASE WHEN regexp_matches({text}, '{pattern}') THEN try_cast({text} AS {SQL_TYPES[kind]}) END"


def _word(text: str, key: str, rules: Rules) -> str:
    words = rules.vocabulary.get(key, ())
    if words:
        seen = f"lower(regexp_replace({text}, '{BLANK}+', ' ', 'g'))"
        cases = " ".join(f"WHEN '{folded(word)}' THEN '{word}'" for word in words)
        text = f"CASE WHEN {text} IN {tuple(words)} THEN {text} ELSE CASE {seen} {cases} ELSE {text} END END"
    return f"coalesce({text}, '{rules.fill[key]}')" if key in rules.fill else text


_DERIVED: Mapping[str, str] = {
    "customers": f", regexp_matches(email, {_quoted(EMAIL)}) AS is_email_plausible, "
    "CASE WHEN t_date_of_birth IS NOT NULL THEN coalesce(date_of_birth BETWEEN DATE '1900-01-01' AND "
    f"coalesce(signup_date, delivery_date, DATE '{LATEST_DAY}'), false) END AS is_birth_date_plausible"
}


_PREPARED = """
CREATE TABLE sold AS FROM transactions WHERE transaction_date <= getvariable('as_of');
CREATE VIEW bought AS FROM sold WHERE customer_id IS NOT NULL;
CREATE TABLE visited AS
  SELECT *, timestamp::DATE AS day FROM web_activity WHERE timestamp::DATE <= getvariable('as_of');
CREATE VIEW returned AS FROM returns WHERE return_date <= getvariable('as_of');
CREATE VIEW opened AS FROM support_tickets WHERE opened_date <= getvariable('as_of');
CREATE TABLE population AS
  SELECT customer_id, signup_date FROM customers
  WHERE signup_date IS NULL OR signup_date <= getvariable('as_of')
    OR customer_id IN (SELECT customer_id FROM sold UNION ALL SELECT customer_id FROM returned
      UNION ALL SELECT customer_id FROM opened UNION ALL SELECT customer_id FROM visited);
CREATE TABLE buyer_days AS
  SELECT customer_id, transaction_date, count(*) AS orders, total(amount) AS amount FROM (
    SELECT customer_id, order_id, min(transaction_date) AS transaction_date, total(amount) AS amount
    FROM bought GROUP BY ALL) GROUP BY ALL;
CREATE VIEW months AS
  SELECT unnest(generate_series((SELECT min(month) FROM sold), date_trunc('month', getvariable('as_of'))::DATE,
    INTERVAL 1 MONTH))::DATE AS month;
"""
"""What several tables need. The sample has customers, orders, returns, tickets and sessions, so none is unknown."""


def _features(rules: Rules) -> Mapping[str, str]:
    weights = " ".join(f"WHEN '{name}' THEN {points}" for name, points in rules.engagement.weights.items())
    values = rules.value_segments
    segments = " ".join(
        f"WHEN r_score BETWEEN {rule.r[0]} AND {rule.r[1]} AND f_score BETWEEN {rule.f[0]} AND {rule.f[1]} "
        f"AND m_score BETWEEN {rule.m[0]} AND {rule.m[1]} THEN {_quoted(rule.name)}"
        for rule in rules.rfm_segments
    )

    def favorite(name: str, frame: str, weight: str) -> str:
        return (
            f"SELECT customer_id, {name} FROM (SELECT customer_id, {name}, {weight} AS weight FROM {frame} "
            f"GROUP BY ALL) QUALIFY row_number() OVER (PARTITION BY customer_id ORDER BY weight DESC, {name}) = 1"
        )

    described = (
        "(SELECT customer_id, coalesce(category, 'Unknown') AS category, coalesce(brand, 'Unknown') AS brand, amount "
        "FROM bought LEFT JOIN products USING (product_id))"
    )
    cuts = ", ".join(
        f"quantile_disc({name}, [0.2, 0.4, 0.6, 0.8]) AS {name}_cuts"
        for name in ("recency_days", "frequency", "monetary_value")
    )

    def bins(name: str) -> str:
        return f"len(list_filter({name}_cuts, lambda cut: {name} > cut))::INTEGER"

    def value(rule: object) -> str:
        return (
            f"recency_days <= {rule.max_recency_days} AND frequency >= {rule.min_frequency} "
            f"AND monetary_value >= {rule.min_monetary}"
        )

    return {
        "purchases": """
            WITH totals AS (
              SELECT customer_id, min(transaction_date) AS first_purchase_date,
                max(transaction_date) AS last_purchase_date, sum(orders)::BIGINT AS frequency,
                count(*) AS purchase_days, count(*) FILTER (amount > 0) AS paid_days, total(amount) AS monetary_value,
                arg_min(amount, transaction_date) AS first_day_amount
              FROM buyer_days GROUP BY customer_id)
            SELECT totals.customer_id, customers.customer_id IS NULL AS is_orphan, first_purchase_date,
              last_purchase_date, (getvariable('as_of') - last_purchase_date)::INTEGER AS recency_days, frequency,
              purchase_days, paid_days, paid_days - (first_day_amount > 0)::BIGINT AS paid_repeat_days, monetary_value,
              mean_money(monetary_value, frequency) AS avg_order_value,
              ratio(cents(monetary_value) - cents(first_day_amount), 100 * paid_repeat_days) AS mean_repeat_value
            FROM totals LEFT JOIN customers USING (customer_id)""",
        "preferences": f"""
            SELECT customer_id, payment_method, category AS top_category, brand AS top_brand
            FROM ({favorite("payment_method", "bought", "count(DISTINCT order_id)")})
            JOIN ({favorite("category", described, "sum(amount)")}) USING (customer_id)
            JOIN ({favorite("brand", described, "sum(amount)")}) USING (customer_id)""",
        "returns": """
            WITH undone AS (
              SELECT customer_id, count(DISTINCT order_id) AS returned_orders FROM bought
              WHERE (customer_id, transaction_id) IN (SELECT (customer_id, transaction_id) FROM returned)
                OR (customer_id, order_id) IN (SELECT (customer_id, order_id) FROM returned WHERE order_id IS NOT NULL)
              GROUP BY customer_id)
            SELECT customer_id, count(*) AS total_returns, total(amount) AS returned_amount,
              coalesce(any_value(returned_orders), 0) AS returned_orders
            FROM returned LEFT JOIN undone USING (customer_id) WHERE customer_id IS NOT NULL GROUP BY customer_id""",
        "support": """
            SELECT customer_id, count(*) AS total_tickets,
              count(*) FILTER (resolved_date > getvariable('as_of')
                OR (resolved_date IS NULL AND status NOT IN ('Closed', 'Resolved'))) AS open_tickets,
              count(*) FILTER (resolved_date <= getvariable('as_of')) AS resolved_tickets,
              ratio(coalesce(sum(resolved_date - opened_date) FILTER (resolved_date <= getvariable('as_of')), 0),
                count(*) FILTER (resolved_date <= getvariable('as_of'))) AS avg_resolution_days,
              max(opened_date) AS last_ticket_date
            FROM opened GROUP BY customer_id""",
        "engagement": f"""
            WITH days AS (
              SELECT customer_id, day, count(*) AS sessions,
                sum(CASE activity_type {weights} ELSE 0 END)::BIGINT AS weight,
                getvariable('as_of') - day AS age FROM visited GROUP BY ALL),
            found AS (
              SELECT customer_id, sum(sessions)::BIGINT AS total_sessions, count(*) AS active_days,
                max(day) AS last_session_date,
                sum(weight * round_even(1e9 * 0.5 ** (age / {rules.engagement.half_life_days}), 0)::BIGINT)::BIGINT
                  AS engagement_points,
                coalesce(sum(sessions) FILTER (age < 30), 0)::BIGINT AS recent_sessions,
                coalesce(sum(sessions) FILTER (age >= 30 AND age < 120), 0)::BIGINT AS earlier_sessions
              FROM days GROUP BY customer_id)
            SELECT *, ratio(100 * count(*) OVER (ORDER BY engagement_points), count(*) OVER ()) AS engagement_score
            FROM found""",
        "rfm_cut_points": f"SELECT {cuts} FROM made_purchases WHERE NOT is_orphan",
        "rfm": f"""
            SELECT *, CASE {segments} END AS rfm_segment FROM (
              SELECT customer_id, recency_days, frequency, monetary_value, 5 - {bins("recency_days")} AS r_score,
                1 + {bins("frequency")} AS f_score, 1 + {bins("monetary_value")} AS m_score
              FROM made_purchases, made_rfm_cut_points WHERE NOT is_orphan)""",
        "segments": f"""
            SELECT customer_id, coalesce(rfm_segment, 'No purchase') AS rfm_segment,
              CASE WHEN frequency IS NULL THEN 'No purchase' WHEN {value(values.high_value)} THEN 'High Value'
                WHEN {value(values.loyal)} THEN 'Loyal'
                WHEN predicted.is_churn_risk IS NULL THEN 'Unknown' WHEN predicted.is_churn_risk THEN 'Churn Risk'
                ELSE 'Regular' END AS value_segment
            FROM population LEFT JOIN made_rfm USING (customer_id) LEFT JOIN predicted USING (customer_id)""",
    }


def _marts(rules: Rules) -> Mapping[str, str]:
    repeat = rules.repeat.within_days
    by_segment = " UNION ALL ".join(
        f"SELECT '{name}' AS segmentation, coalesce({name}, 'Unknown') AS segment, frequency, monetary_value, "
        "net_revenue FROM made_customer_360"
        for name in ("rfm_segment", "value_segment", "customer_segment", "region")
    )
    is_over = "last_day(month) <= getvariable('as_of')"
    return {
        "customer_360": f"""
            SELECT customer_id, recency_days, coalesce(frequency, 0) AS frequency,
              coalesce(monetary_value, 0)::DECIMAL(18,2) AS monetary_value, avg_order_value, payment_method,
              coalesce(total_returns, 0) AS total_returns,
              coalesce(returned_amount, 0)::DECIMAL(18,2) AS returned_amount,
              ratio(coalesce(returned_orders, 0), frequency) AS return_rate,
              (coalesce(monetary_value, 0) - coalesce(returned_amount, 0))::DECIMAL(18,2) AS net_revenue,
              coalesce(total_sessions, 0) AS total_sessions, coalesce(active_days, 0) AS active_days,
              coalesce(engagement_score, 0)::DECIMAL(18,6) AS engagement_score,
              coalesce(total_tickets, 0) AS total_tickets, avg_resolution_days,
              coalesce(open_tickets, 0) AS open_tickets, top_category, top_brand, r_score, f_score, m_score,
              rfm_segment, value_segment,
              {", ".join(f"predicted.{name}" for name in PREDICTED)},
              net_revenue AS historic_value, first_purchase_date, last_purchase_date,
              coalesce(purchase_days, 0) AS purchase_days, last_session_date, last_ticket_date, first_name, last_name,
              email, is_email_plausible, gender, date_of_birth, population.signup_date, region, customer_segment
            FROM population JOIN customers USING (customer_id)
              LEFT JOIN made_purchases USING (customer_id) LEFT JOIN made_preferences USING (customer_id)
              LEFT JOIN made_returns USING (customer_id) LEFT JOIN made_support USING (customer_id)
              LEFT JOIN made_engagement USING (customer_id)
              LEFT JOIN (SELECT customer_id, r_score, f_score, m_score FROM made_rfm) USING (customer_id)
              LEFT JOIN made_segments USING (customer_id) LEFT JOIN predicted USING (customer_id)""",
        "cohort_retention": f"""
            WITH starts AS (
              SELECT customer_id, date_trunc('month', first_purchase_date)::DATE AS cohort_month FROM made_purchases),
            active AS (
              SELECT cohort_month, month, count(*) AS active FROM (SELECT DISTINCT customer_id, month FROM bought)
              JOIN starts USING (customer_id) GROUP BY ALL),
            sizes AS (SELECT cohort_month, count(*) AS cohort_size FROM starts GROUP BY ALL)
            SELECT cohort_month, date_diff('month', cohort_month, month)::INTEGER AS month_number, cohort_size,
              CASE WHEN {is_over} THEN coalesce(active, 0) END AS active_buyers,
              ratio(CASE WHEN {is_over} THEN coalesce(active, 0) END, cohort_size) AS retention_rate
            FROM sizes JOIN months ON month >= cohort_month LEFT JOIN active USING (cohort_month, month)""",
        "kpi_totals": """
            WITH bought_by AS (
              SELECT count(*) AS buyers,
                coalesce(sum(monetary_value) FILTER (is_orphan), 0)::DECIMAL(18,2) AS orphan_revenue
              FROM made_purchases),
            sales AS (
              SELECT count(DISTINCT order_id) AS orders, count(*) AS order_lines,
                count(DISTINCT order_id) FILTER (is_guest) AS guest_orders, min(transaction_date) AS first_order_day,
                max(transaction_date) AS last_order_day,
                CASE WHEN min(currency) < max(currency) THEN 'mixed' ELSE min(currency) END AS currency,
                total(amount) AS total_revenue, total(charged) AS charged,
                coalesce(sum(amount) FILTER (is_guest), 0)::DECIMAL(18,2) AS guest_revenue FROM sold),
            back AS (
              SELECT total(amount) AS returned_amount, total(coalesce(refunded, amount)) AS refunded FROM returned)
            SELECT (SELECT count(*) FROM population) AS total_customers, buyers, orders, order_lines, guest_orders,
              first_order_day, last_order_day, currency, total_revenue, charged,
              (total_revenue - returned_amount)::DECIMAL(18,2) AS net_revenue, returned_amount, refunded,
              mean_money(total_revenue, orders) AS avg_order_value, orphan_revenue, guest_revenue
            FROM bought_by, sales, back""",
        "kpi_currencies": """
            WITH sales AS (
              SELECT coalesce(currency, 'Unknown') AS currency, count(DISTINCT order_id) AS orders,
                count(*) AS order_lines,
                total(coalesce(CASE WHEN currency IS NOT NULL THEN original_amount END, amount)) AS total_revenue,
                total(charged) AS charged
              FROM sold GROUP BY ALL),
            back AS (
              SELECT coalesce(currency, 'Unknown') AS currency,
                total(coalesce(CASE WHEN currency IS NOT NULL THEN original_amount END, amount)) AS returned_amount,
                total(coalesce(refunded, amount)) AS refunded FROM returned GROUP BY ALL)
            SELECT currency, coalesce(orders, 0) AS orders, coalesce(order_lines, 0) AS order_lines, total_revenue,
              charged, returned_amount, refunded, (total_revenue - returned_amount)::DECIMAL(18,2) AS net_revenue
            FROM sales FULL JOIN back USING (currency)""",
        "kpi_activity": """
            SELECT coalesce(activity_type, 'Unknown') AS activity_type, count(*) AS sessions,
              count(DISTINCT customer_id) AS customers,
              ratio(count(*), (SELECT count(*) FROM visited)) AS session_share
            FROM visited GROUP BY ALL""",
        "kpi_revenue_segment": f"""
            SELECT segmentation, segment, count(*) AS customers, count(*) FILTER (frequency > 0) AS buyers,
              total(monetary_value) AS revenue, total(net_revenue) AS net_revenue,
              ratio(cents(total(monetary_value)), (SELECT cents(total(monetary_value)) FROM made_customer_360))
                AS revenue_share
            FROM ({by_segment}) GROUP BY ALL""",
        "kpi_monthly_revenue": f"""
            SELECT month, coalesce(monthly_revenue, 0)::DECIMAL(18,2) AS monthly_revenue, coalesce(orders, 0) AS orders,
              coalesce(buyers, 0) AS buyers, {is_over} AS is_complete
            FROM months LEFT JOIN (
              SELECT month, total(amount) AS monthly_revenue, count(DISTINCT order_id) AS orders,
                count(DISTINCT customer_id) AS buyers FROM sold GROUP BY ALL) USING (month)""",
        "kpi_top_customers": f"""
            SELECT row_number() OVER (ORDER BY monetary_value DESC, customer_id)::INTEGER AS rank, customer_id,
              monetary_value, frequency, last_purchase_date, rfm_segment
            FROM made_customer_360 WHERE frequency > 0 ORDER BY rank LIMIT {rules.top_n}""",
        "kpi_top_products": f"""
            SELECT row_number() OVER (ORDER BY revenue DESC, product_id)::INTEGER AS rank, product_id,
              coalesce(product_name, 'Unknown') AS product_name, coalesce(category, 'Unknown') AS category,
              coalesce(brand, 'Unknown') AS brand, revenue, units, orders, buyers
            FROM (
              SELECT product_id, total(amount) AS revenue, sum(quantity)::BIGINT AS units,
                count(DISTINCT order_id) AS orders, count(DISTINCT customer_id) AS buyers
              FROM sold WHERE product_id IS NOT NULL GROUP BY product_id)
            LEFT JOIN products USING (product_id) ORDER BY rank LIMIT {rules.top_n}""",
        "kpi_trends": f"""
            WITH days AS (
              SELECT customer_id, date_trunc('month', transaction_date)::DATE AS month, transaction_date,
                row_number() OVER by_day = 1 AS is_first, lead(transaction_date) OVER by_day AS next
              FROM buyer_days WINDOW by_day AS (PARTITION BY customer_id ORDER BY transaction_date)),
            buyers AS (
              SELECT customer_id, month, bool_or(is_first) AS is_first,
                bool_or(is_first AND coalesce(transaction_date + {repeat} >= next, false)) AS is_second_soon
              FROM days GROUP BY ALL),
            visits AS (SELECT customer_id, month, count(*) AS sessions FROM visited GROUP BY ALL),
            totals AS (
              SELECT month, count(*) AS active_customers, count(is_first) AS buyers,
                count(*) FILTER (NOT is_first) AS returning_buyers, count(*) FILTER (is_first) AS new_buyers,
                count(*) FILTER (is_second_soon) AS second_orders, sum(sessions)::BIGINT AS sessions,
                last_day(month) + {repeat} <= getvariable('as_of') AND new_buyers > 0 AS has_new
              FROM buyers FULL JOIN visits USING (customer_id, month) GROUP BY month),
            counted AS (
              SELECT * REPLACE (CASE WHEN has_new THEN new_buyers END AS new_buyers,
                CASE WHEN has_new THEN second_orders END AS second_orders) FROM totals),
            lines AS (SELECT month, count(*) AS order_lines FROM sold GROUP BY ALL),
            back AS (SELECT month, count(*) AS returns FROM returned GROUP BY ALL),
            asked AS (SELECT month, count(*) AS tickets FROM opened GROUP BY ALL)
            SELECT month, {is_over} AS is_complete, coalesce(buyers, 0) AS buyers,
              coalesce(returning_buyers, 0) AS returning_buyers, ratio(returning_buyers, buyers) AS repeat_rate,
              coalesce(order_lines, 0) AS order_lines, coalesce(returns, 0) AS returns,
              ratio(coalesce(returns, 0), order_lines) AS return_ratio, coalesce(sessions, 0) AS sessions,
              coalesce(active_customers, 0) AS active_customers, coalesce(tickets, 0) AS tickets,
              ratio(100 * coalesce(tickets, 0), active_customers) AS complaints_per_100,
              new_buyers, second_orders,
              ratio(second_orders, new_buyers) AS second_order_rate
            FROM months LEFT JOIN counted USING (month) LEFT JOIN lines USING (month) LEFT JOIN back USING (month)
              LEFT JOIN asked USING (month)""",
    }


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
