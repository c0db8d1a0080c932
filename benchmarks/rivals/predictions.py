"""The predictions from a rival's tables: ``python -m benchmarks.rivals.predictions RIVAL PREDICTED``.

DuckDB reads the tables, and the platform's own numpy and scipy code fits and scores: no other engine has any.
"""

import json
import sys
from datetime import date
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

from benchmarks.rivals import PREDICTED
from cip_assets.analytics.forecasting.discounting import Discounting
from cip_assets.analytics.forecasting.forecast import ForecastModel, forecast_model
from cip_assets.analytics.forecasting.history import LONG_AGO, Events, History
from cip_assets.analytics.forecasting.judgment import judge
from cip_assets.analytics.forecasting.past import Past
from cip_assets.analytics.forecasting.rolling import backtest
from cip_assets.config.rules import Rules, load_rules
from cip_assets.layers.features.forecast import (
    AMOUNTS,
    COUNTS,
    MILLIONTHS,
    ROWS_AT_ONCE,
    SHARES,
    average,
    scored,
)
from cip_assets.layers.features.forecast_model import EPOCH, MOST_BUYERS, events_of

CLEANED = ("transactions", "web_activity", "support_tickets", "products")
FEATURES = ("purchases", "engagement", "support", "returns")

EVENTS = {
    "bought": """
        SELECT customer_id, transaction_date AS day, (100 * sum(amount))::BIGINT AS value FROM (
          SELECT customer_id, order_id, min(transaction_date) AS transaction_date, sum(amount) AS amount
          FROM transactions WHERE transaction_date <= getvariable('as_of') GROUP BY ALL)
        GROUP BY ALL""",
    "visits": """
        SELECT customer_id, timestamp::DATE AS day, count(*) AS value FROM web_activity
        WHERE timestamp::DATE <= getvariable('as_of') GROUP BY ALL""",
    "tickets": f"""
        SELECT customer_id, opened_date AS day, closed_on - DATE '{EPOCH}' AS value FROM support_tickets
        WHERE opened_date <= getvariable('as_of')""",
    "given_back": """
        SELECT customer_id, return_date AS day, 1 AS value FROM returned
        WHERE return_date <= getvariable('as_of')""",
}

KNOWN = f"""
SELECT customer_id, purchase_days - 1 AS x, last_purchase_date - first_purchase_date AS t_x,
  getvariable('as_of') - first_purchase_date AS age, paid_days - paid_repeat_days AS is_first_paid,
  paid_repeat_days AS paid_x, (mean_repeat_value * {MILLIONTHS})::BIGINT AS mean_millionths,
  (monetary_value * 100)::BIGINT AS spend_cents,
  CASE WHEN total_returns IS NULL THEN 0 ELSE (returned_amount * 100)::BIGINT END AS returned_cents,
  coalesce(least(getvariable('as_of') - last_session_date, {LONG_AGO}), {LONG_AGO}) AS session_age,
  coalesce(recent_sessions, 0) AS recent_sessions, coalesce(earlier_sessions, 0) AS earlier_sessions,
  coalesce(total_tickets, 0) AS total_tickets, coalesce(open_tickets, 0) AS open_tickets,
  coalesce(total_returns, 0) AS total_returns
FROM purchases LEFT JOIN engagement USING (customer_id) LEFT JOIN support USING (customer_id)
  LEFT JOIN returns USING (customer_id)
WHERE NOT is_orphan
"""
"""What ``features/forecast`` knows of each buyer."""


MARGIN = """
SELECT round(sum(quantity * cost_price)::DECIMAL(38,2) / sum(amount)::DECIMAL(38,2), 6)
FROM transactions JOIN products USING (product_id)
WHERE transaction_date <= getvariable('as_of') AND cost_price IS NOT NULL
"""
"""The cost of the goods as a share of what they brought. The sample has both for most lines."""


def main(rival: Path, predicted: Path) -> None:
    """Write the predicted columns of the buyers of a rival's tables."""
    rules = load_rules()
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        tables = {name: f"cleaned/{name}" for name in CLEANED} | {"returned": "cleaned/returns"}
        for view, name in (tables | {name: f"features/{name}" for name in FEATURES}).items():
            connection.register(view, DeltaTable(rival / name).to_pyarrow_dataset())
        (day,) = connection.execute("SELECT max(transaction_date) FROM transactions").fetchone() or (None,)
        connection.execute(f"SET VARIABLE as_of = DATE '{day}'")
        model, name = _model(connection, day, rules)
        if model is None:
            raise SystemExit("this shop has no forecasts to compare")
        connection.execute(f"CREATE TABLE known AS {KNOWN}")
        shop = average(
            *connection.execute(
                "SELECT sum(spend_cents), sum(returned_cents), count(*) FROM known"
            ).fetchall()[0]
        )
        (spent,) = connection.execute(MARGIN).fetchall()[0]
        known = connection.sql("FROM known").to_arrow_table()
        rows = [known.slice(start, ROWS_AT_ONCE) for start in range(0, len(known), ROWS_AT_ONCE)]
        connection.register("scores", pa.concat_tables(scored(part, model, shop, 1 - spent) for part in rows))
        connection.execute(f"COPY ({_churn(name, rules)}) TO '{predicted}' (FORMAT parquet)")


def _model(
    connection: duckdb.DuckDBPyConnection, day: date, rules: Rules
) -> tuple[ForecastModel | None, str | None]:
    """The model of the platform's ``features/forecast_model``, from the same sample."""
    ids = (
        connection.sql(
            f"SELECT customer_id FROM (SELECT customer_id FROM purchases WHERE NOT is_orphan "
            f"ORDER BY md5(customer_id), customer_id LIMIT {MOST_BUYERS}) ORDER BY customer_id"
        )
        .to_arrow_table()["customer_id"]
        .combine_chunks()
    )
    connection.register("sample", pa.table({"customer_id": ids}))
    money = _events(connection, "bought", ids)
    history = History(
        len(ids),
        Events(money.buyer, money.day, money.value / 100),
        _events(connection, "visits", ids),
        _events(connection, "tickets", ids, unknown=np.inf),
        _events(connection, "given_back", ids),
    )
    past = Past(history, (day - EPOCH).days, rules.churn.window_days)
    found = backtest(past)
    model = forecast_model(past, found, Discounting(rules.clv.annual_discount_rate, rules.clv.horizon_months))
    judgment = judge(past, found, rules.forecast.max_bias)
    is_usable = model is not None and not judgment.is_withheld
    return ForecastModel.from_dict(
        json.loads(json.dumps(model.to_dict()))
    ) if is_usable else None, judgment.chosen


def _events(
    connection: duckdb.DuckDBPyConnection, name: str, ids: pa.Array, unknown: float = np.nan
) -> Events:
    found = connection.sql(
        f"SELECT customer_id, day - DATE '{EPOCH}' AS day, value "
        f"FROM ({EVENTS[name]}) SEMI JOIN sample USING (customer_id)"
    )
    return events_of(found.to_arrow_table(), ids, unknown)


def _churn(name: str | None, rules: Rules) -> str:
    """The query of ``features/churn`` and ``features/clv``."""
    bands = rules.churn.bands
    exact = [f"({each} * 0.000001::DECIMAL(7,6))::DECIMAL(18,6) AS {each}" for each in (*SHARES, *COUNTS)]
    exact += [f"({each} * 0.01::DECIMAL(3,2))::DECIMAL(18,2) AS {each}" for each in AMOUNTS]
    return f"""
        WITH exact AS (SELECT customer_id, {", ".join(exact)}, churn_reasons FROM scores),
        cuts AS (
          SELECT quantile_disc(churn_probability, {bands.high / 100}) AS high,
            quantile_disc(churn_probability, {bands.medium / 100}) AS medium FROM exact),
        banded AS (
          SELECT *, '{name}' AS forecast_model,
            CASE WHEN churn_probability > high THEN 'High' WHEN churn_probability > medium THEN 'Medium'
              ELSE 'Low' END AS churn_band,
            churn_probability > high AS is_churn_risk,
            churn_probability * coalesce(clv_12m_margin, clv_12m_net) * {rules.churn.save_rate:.6f}::DECIMAL(7,6)
              > {rules.churn.contact_cost:.2f} AS is_worth_contacting
          FROM exact, cuts)
        SELECT {", ".join(("customer_id", *PREDICTED))} FROM banded"""


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
