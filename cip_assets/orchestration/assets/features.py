"""Customer features, one snapshot per as-of day."""

from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.config.rules import current_rules
from cip_assets.contracts import contract_of
from cip_assets.orchestration.assets.declare import snapshot, snapshot_day
from cip_assets.orchestration.limits import FIRST
from cip_assets.transforms import backtest, features
from cip_assets.transforms import purchase_model as models
from cip_assets.transforms.challenger import known


def _feature(table: str) -> dict[str, Any]:
    return {**snapshot(contract_of("features", table), features), "op_tags": FIRST}


def _judged(table: str) -> dict[str, Any]:
    return {**snapshot(contract_of("features", table), backtest), "op_tags": FIRST}


@dg.asset(**_feature("population"))
def population(
    context: dg.AssetExecutionContext,
    customers: DataFrame,
    transactions: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
) -> DataFrame:
    day = snapshot_day(context)
    return features.population(customers, transactions, returns, support_tickets, web_activity, day)


@dg.asset(**_feature("purchases"))
def purchases(context: dg.AssetExecutionContext, transactions: DataFrame, customers: DataFrame) -> DataFrame:
    return features.purchases(transactions, customers, snapshot_day(context))


@dg.asset(**_feature("preferences"))
def preferences(context: dg.AssetExecutionContext, transactions: DataFrame, products: DataFrame) -> DataFrame:
    return features.preferences(transactions, products, snapshot_day(context))


@dg.asset(**_feature("returns"))
def returns(context: dg.AssetExecutionContext, returns: DataFrame, transactions: DataFrame) -> DataFrame:
    return features.returns(returns, transactions, snapshot_day(context))


@dg.asset(**_feature("support"))
def support(context: dg.AssetExecutionContext, support_tickets: DataFrame) -> DataFrame:
    return features.support(support_tickets, snapshot_day(context))


@dg.asset(**_feature("engagement"))
def engagement(context: dg.AssetExecutionContext, web_activity: DataFrame) -> DataFrame:
    return features.engagement(web_activity, snapshot_day(context), current_rules())


@dg.asset(**_feature("rfm_cut_points"))
def rfm_cut_points(context: dg.AssetExecutionContext, purchases: DataFrame) -> DataFrame:
    return features.rfm_cut_points(purchases, snapshot_day(context))


@dg.asset(**_feature("rfm"))
def rfm(context: dg.AssetExecutionContext, purchases: DataFrame, rfm_cut_points: DataFrame) -> DataFrame:
    return features.rfm(purchases, rfm_cut_points, snapshot_day(context), current_rules())


@dg.asset(**_feature("segments"))
def segments(context: dg.AssetExecutionContext, population: DataFrame, rfm: DataFrame) -> DataFrame:
    return features.segments(population, rfm, snapshot_day(context), current_rules())


@dg.asset(**{**snapshot(contract_of("features", "purchase_model"), models), "op_tags": FIRST})
def purchase_model(context: dg.AssetExecutionContext, purchases: DataFrame) -> DataFrame:
    return models.purchase_model(purchases, snapshot_day(context), current_rules())


@dg.asset(**_feature("clv"))
def clv(
    context: dg.AssetExecutionContext, purchases: DataFrame, returns: DataFrame, purchase_model: DataFrame
) -> DataFrame:
    return features.clv(purchases, returns, purchase_model, snapshot_day(context))


@dg.asset(**_judged("past_predictions"))
def past_predictions(
    context: dg.AssetExecutionContext,
    transactions: DataFrame,
    customers: DataFrame,
    returns: DataFrame,
    support_tickets: DataFrame,
    web_activity: DataFrame,
) -> DataFrame:
    events = backtest.Events(transactions, customers, returns, support_tickets, web_activity)
    return backtest.past_predictions(events, snapshot_day(context), current_rules())


@dg.asset(**_judged("churn_model"))
def churn_model(context: dg.AssetExecutionContext, past_predictions: DataFrame) -> DataFrame:
    return backtest.churn_model(past_predictions, snapshot_day(context), current_rules())


@dg.asset(**_feature("challenger"))
def challenger(
    context: dg.AssetExecutionContext,
    purchases: DataFrame,
    clv: DataFrame,
    engagement: DataFrame,
    support: DataFrame,
    returns: DataFrame,
    past_predictions: DataFrame,
) -> DataFrame:
    buyers = known(purchases, clv, engagement, support, returns)
    return features.challenger(buyers, past_predictions, snapshot_day(context))


@dg.asset(**_feature("churn"))
def churn(
    context: dg.AssetExecutionContext,
    purchases: DataFrame,
    clv: DataFrame,
    returns: DataFrame,
    support: DataFrame,
    engagement: DataFrame,
    challenger: DataFrame,
    churn_model: DataFrame,
) -> DataFrame:
    return features.churn(
        purchases=purchases,
        clv=clv,
        returns=returns,
        support=support,
        engagement=engagement,
        challenger=challenger,
        churn_model=churn_model,
        as_of=snapshot_day(context),
        rules=current_rules(),
    )


ASSETS = [
    population,
    purchases,
    preferences,
    returns,
    support,
    engagement,
    rfm_cut_points,
    rfm,
    segments,
    purchase_model,
    clv,
    past_predictions,
    challenger,
    churn_model,
    churn,
]
