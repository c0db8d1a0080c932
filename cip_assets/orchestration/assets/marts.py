"""The marts, one snapshot per as-of day."""

from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.config.rules import current_rules
from cip_assets.contracts import contract_of
from cip_assets.orchestration.assets.declare import snapshot, snapshot_day
from cip_assets.orchestration.limits import FIRST
from cip_assets.transforms import backtest, marts
from cip_assets.transforms import insights as insights_of


def _mart(table: str) -> dict[str, Any]:
    return snapshot(contract_of("marts", table), marts)


@dg.asset(**_mart("customer_360"), op_tags=FIRST)
def customer_360(
    context: dg.AssetExecutionContext,
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
) -> DataFrame:
    return marts.customer_360(
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
        as_of=snapshot_day(context),
    )


@dg.asset(**_mart("cohort_retention"))
def cohort_retention(
    context: dg.AssetExecutionContext, transactions: DataFrame, purchases: DataFrame
) -> DataFrame:
    return marts.cohort_retention(transactions, purchases, snapshot_day(context))


@dg.asset(**_mart("kpi_totals"))
def kpi_totals(
    context: dg.AssetExecutionContext, population: DataFrame, purchases: DataFrame, returns: DataFrame
) -> DataFrame:
    return marts.kpi_totals(population, purchases, returns, snapshot_day(context))


@dg.asset(**_mart("kpi_activity"))
def kpi_activity(context: dg.AssetExecutionContext, web_activity: DataFrame) -> DataFrame:
    return marts.kpi_activity(web_activity, snapshot_day(context))


@dg.asset(**_mart("kpi_revenue_segment"))
def kpi_revenue_segment(context: dg.AssetExecutionContext, customer_360: DataFrame) -> DataFrame:
    return marts.kpi_revenue_segment(customer_360, snapshot_day(context))


@dg.asset(**_mart("kpi_monthly_revenue"))
def kpi_monthly_revenue(context: dg.AssetExecutionContext, transactions: DataFrame) -> DataFrame:
    return marts.kpi_monthly_revenue(transactions, snapshot_day(context))


@dg.asset(**_mart("kpi_top_customers"))
def kpi_top_customers(context: dg.AssetExecutionContext, customer_360: DataFrame) -> DataFrame:
    return marts.kpi_top_customers(customer_360, snapshot_day(context), current_rules())


@dg.asset(**_mart("kpi_top_products"))
def kpi_top_products(
    context: dg.AssetExecutionContext, transactions: DataFrame, products: DataFrame
) -> DataFrame:
    return marts.kpi_top_products(transactions, products, snapshot_day(context), current_rules())


@dg.asset(**_mart("kpi_trends"))
def kpi_trends(
    context: dg.AssetExecutionContext,
    transactions: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
    purchases: DataFrame,
) -> DataFrame:
    return marts.kpi_trends(
        transactions,
        returns,
        support_tickets,
        web_activity,
        purchases,
        snapshot_day(context),
        current_rules(),
    )


@dg.asset(**snapshot(contract_of("marts", "insights"), insights_of))
def insights(context: dg.AssetExecutionContext, kpi_trends: DataFrame) -> DataFrame:
    return insights_of.insights(kpi_trends, snapshot_day(context))


@dg.asset(**_mart("segment_migration"))
def segment_migration(
    context: dg.AssetExecutionContext,
    segments: DataFrame,
    population: DataFrame,
    transactions: DataFrame,
    customers: DataFrame,
) -> DataFrame:
    return marts.segment_migration(
        segments=segments,
        customers=customers,
        transactions=transactions,
        population=population,
        as_of=snapshot_day(context),
        rules=current_rules(),
    )


@dg.asset(**snapshot(contract_of("marts", "model_backtest"), backtest))
def model_backtest(context: dg.AssetExecutionContext, past_predictions: DataFrame) -> DataFrame:
    return backtest.model_backtest(past_predictions, snapshot_day(context))


@dg.asset(**snapshot(contract_of("marts", "model_calibration"), backtest))
def model_calibration(context: dg.AssetExecutionContext, past_predictions: DataFrame) -> DataFrame:
    return backtest.model_calibration(past_predictions, snapshot_day(context))


ASSETS = [
    customer_360,
    cohort_retention,
    kpi_totals,
    kpi_activity,
    kpi_revenue_segment,
    kpi_monthly_revenue,
    kpi_top_customers,
    kpi_top_products,
    kpi_trends,
    insights,
    segment_migration,
    model_backtest,
    model_calibration,
]
