"""The whole chain from cleaned rows to marts, each table computed from the stored ones before it."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date

from pyspark.sql import DataFrame, SparkSession

from cip_assets.config.rules import Rules
from cip_assets.contracts import SOURCE_TABLES, contract_of
from cip_assets.transforms import backtest, features, marts
from cip_assets.transforms.challenger import known
from cip_assets.transforms.insights import insights
from cip_assets.transforms.purchase_model import purchase_model
from cip_assets_tests.layers.frames import Row, collected, frame_of, types_of

Sources = Mapping[str, Sequence[Row]]
"""The rows of the six cleaned tables."""


NEEDED = {"marts/customer_360", "marts/kpi_trends"}
"""Marts that others are computed from."""


def snapshot(
    spark: SparkSession,
    sources: Sources,
    day: date,
    rules: Rules,
    only: Collection[str] | None = None,
) -> dict[str, list[Row]]:
    """Every feature and mart as of a day, by ``layer/table``; of the marts only some and what they need, if wanted.

    Each result is collected and put back as a frame, as a Delta table would do between two assets; so its
    names and types must be those of its contract.
    """
    cleaned = {
        name: frame_of(spark, SOURCE_TABLES[name].cleaned.spark_schema, sources[name])
        for name in SOURCE_TABLES
    }
    customers, products = cleaned["customers"], cleaned["products"]
    transactions, returned = cleaned["transactions"], cleaned["returns"]
    tickets, sessions = cleaned["support_tickets"], cleaned["web_activity"]
    tables: dict[str, list[Row]] = {}

    def keep(name: str, frame: DataFrame) -> DataFrame:
        schema = contract_of(*name.split("/")).spark_schema
        assert types_of(frame.schema) == types_of(schema), (
            f"{name}: {set(types_of(frame.schema)) ^ set(types_of(schema))}"
        )
        if only is not None and name.startswith("marts/") and name not in NEEDED | {*only}:
            return frame
        tables[name] = collected(frame)
        return frame_of(spark, schema, tables[name])

    def feature(name: str, frame: DataFrame) -> DataFrame:
        return keep(f"features/{name}", frame)

    def mart(name: str, frame: DataFrame) -> DataFrame:
        return keep(f"marts/{name}", frame)

    population = feature(
        "population", features.population(customers, transactions, returned, tickets, sessions, day)
    )
    purchases = feature("purchases", features.purchases(transactions, customers, day))
    preferences = feature("preferences", features.preferences(transactions, products, day))
    returns = feature("returns", features.returns(returned, transactions, day))
    support = feature("support", features.support(tickets, day))
    engagement = feature("engagement", features.engagement(sessions, day, rules))
    cut_points = feature("rfm_cut_points", features.rfm_cut_points(purchases, day))
    rfm = feature("rfm", features.rfm(purchases, cut_points, day, rules))
    segments = feature("segments", features.segments(population, rfm, day, rules))
    model = feature("purchase_model", purchase_model(purchases, day, rules))
    clv = feature("clv", features.clv(purchases, returns, model, day))
    events = backtest.Events(transactions, customers, returned, tickets, sessions)
    past = feature("past_predictions", backtest.past_predictions(events, day, rules))
    churn_model = feature("churn_model", backtest.churn_model(past, day, rules))
    buyers = known(purchases, clv, engagement, support, returns)
    challenger = feature("challenger", features.challenger(buyers, past, day))
    churn = feature(
        "churn",
        features.churn(
            purchases=purchases,
            clv=clv,
            returns=returns,
            support=support,
            engagement=engagement,
            challenger=challenger,
            churn_model=churn_model,
            as_of=day,
            rules=rules,
        ),
    )
    customer_360 = mart(
        "customer_360",
        marts.customer_360(
            population=population,
            customers=customers,
            purchases=purchases,
            preferences=preferences,
            returns=returns,
            support=support,
            engagement=engagement,
            rfm=rfm,
            segments=segments,
            churn=churn,
            clv=clv,
            churn_model=churn_model,
            as_of=day,
        ),
    )
    mart("model_backtest", backtest.model_backtest(past, day))
    mart("model_calibration", backtest.model_calibration(past, day))
    mart("cohort_retention", marts.cohort_retention(transactions, purchases, day))
    mart("kpi_totals", marts.kpi_totals(population, purchases, returns, day))
    mart("kpi_activity", marts.kpi_activity(sessions, day))
    mart("kpi_revenue_segment", marts.kpi_revenue_segment(customer_360, day))
    mart("kpi_monthly_revenue", marts.kpi_monthly_revenue(transactions, day))
    mart("kpi_top_customers", marts.kpi_top_customers(customer_360, day, rules))
    mart("kpi_top_products", marts.kpi_top_products(transactions, products, day, rules))
    trends = mart(
        "kpi_trends",
        marts.kpi_trends(transactions, returned, tickets, sessions, purchases, day, rules),
    )
    mart("insights", insights(trends, day))
    mart(
        "segment_migration",
        marts.segment_migration(
            segments=segments,
            customers=customers,
            transactions=transactions,
            population=population,
            as_of=day,
            rules=rules,
        ),
    )
    return tables
