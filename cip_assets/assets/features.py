"""Customer features, one snapshot per as-of day."""

from typing import Any

import dagster as dg
from pyspark.sql import DataFrame

from cip_assets.assets.declare import reads, snapshot, snapshot_day
from cip_assets.automation.limits import FIRST
from cip_assets.contracts import contract_of
from cip_assets.rules import current_rules
from cip_assets.transforms import features


def _feature(table: str, **inputs: str) -> dict[str, Any]:
    return {
        **snapshot(contract_of("features", table), features),
        "ins": reads(**inputs),
        "op_tags": FIRST,
    }


@dg.asset(
    **_feature(
        "population",
        customers="cleaned/customers",
        transactions="cleaned/transactions",
        returns="cleaned/returns",
        support_tickets="cleaned/support_tickets",
        web_activity="cleaned/web_activity",
    )
)
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


@dg.asset(**_feature("purchases", transactions="cleaned/transactions", customers="cleaned/customers"))
def purchases(context: dg.AssetExecutionContext, transactions: DataFrame, customers: DataFrame) -> DataFrame:
    return features.purchases(transactions, customers, snapshot_day(context))


@dg.asset(**_feature("preferences", transactions="cleaned/transactions", products="cleaned/products"))
def preferences(context: dg.AssetExecutionContext, transactions: DataFrame, products: DataFrame) -> DataFrame:
    return features.preferences(transactions, products, snapshot_day(context))


@dg.asset(**_feature("returns", returns="cleaned/returns", transactions="cleaned/transactions"))
def returns(context: dg.AssetExecutionContext, returns: DataFrame, transactions: DataFrame) -> DataFrame:
    return features.returns(returns, transactions, snapshot_day(context))


@dg.asset(**_feature("support", support_tickets="cleaned/support_tickets"))
def support(context: dg.AssetExecutionContext, support_tickets: DataFrame) -> DataFrame:
    return features.support(support_tickets, snapshot_day(context))


@dg.asset(**_feature("engagement", web_activity="cleaned/web_activity"))
def engagement(context: dg.AssetExecutionContext, web_activity: DataFrame) -> DataFrame:
    return features.engagement(web_activity, snapshot_day(context), current_rules())


@dg.asset(**_feature("rfm_cut_points", purchases="features/purchases"))
def rfm_cut_points(context: dg.AssetExecutionContext, purchases: DataFrame) -> DataFrame:
    return features.rfm_cut_points(purchases, snapshot_day(context))


@dg.asset(**_feature("rfm", purchases="features/purchases", rfm_cut_points="features/rfm_cut_points"))
def rfm(context: dg.AssetExecutionContext, purchases: DataFrame, rfm_cut_points: DataFrame) -> DataFrame:
    return features.rfm(purchases, rfm_cut_points, snapshot_day(context), current_rules())


@dg.asset(**_feature("segments", population="features/population", rfm="features/rfm"))
def segments(context: dg.AssetExecutionContext, population: DataFrame, rfm: DataFrame) -> DataFrame:
    return features.segments(population, rfm, snapshot_day(context), current_rules())


@dg.asset(**_feature("churn", purchases="features/purchases"))
def churn(context: dg.AssetExecutionContext, purchases: DataFrame) -> DataFrame:
    return features.churn(purchases, snapshot_day(context), current_rules())


@dg.asset(**_feature("clv", purchases="features/purchases", returns="features/returns"))
def clv(context: dg.AssetExecutionContext, purchases: DataFrame, returns: DataFrame) -> DataFrame:
    return features.clv(purchases, returns, snapshot_day(context))


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
    churn,
    clv,
]
