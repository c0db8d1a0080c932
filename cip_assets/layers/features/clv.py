"""Customer value so far, and as it is forecast."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import days_since
from cip_assets.contracts.contract import column, same_as
from cip_assets.contracts.table import table
from cip_assets.contracts.types import CustomerSnapshot, Money, Ratio
from cip_assets.layers.features.forecast import Forecast
from cip_assets.layers.features.purchases import Purchases
from cip_assets.layers.features.returns import CustomerReturns


class Clv(CustomerSnapshot, grain="one row per known buyer and snapshot day", domain="customers"):
    """Value of each known buyer so far, net of returns, and the purchases and spend that are forecast. Forecasts are
    empty if they are withheld, and those of money if an amount of any buyer is unknown.
    """

    historic_value: Money = column(
        "Spend minus refunds, by the snapshot day; empty if an amount is unknown",
        "monetary_value",
        "returned_amount",
        unit="currency",
    )
    tenure_days: T.IntegerType = column(
        "Days from the first purchase to the snapshot day",
        "first_purchase_date",
        required=True,
        unit="days",
        ge=0,
    )
    repeat_purchase_days: T.LongType = column(
        "Purchase days after the first", "purchase_days", required=True, ge=0
    )
    p_alive: Ratio = same_as(Forecast, "p_alive")
    expected_orders: Ratio = same_as(Forecast, "expected_orders")
    orders_low: Ratio = same_as(Forecast, "orders_low")
    orders_high: Ratio = same_as(Forecast, "orders_high")
    expected_purchases_30: Ratio = same_as(Forecast, "expected_purchases_30")
    expected_purchases_90: Ratio = same_as(Forecast, "expected_purchases_90")
    expected_purchases_365: Ratio = same_as(Forecast, "expected_purchases_365")
    expected_value: Money = same_as(Forecast, "expected_value")
    expected_spend: Money = same_as(Forecast, "expected_spend")
    spend_low: Money = same_as(Forecast, "spend_low")
    spend_high: Money = same_as(Forecast, "spend_high")
    clv_12m: Money = same_as(Forecast, "clv_12m")
    clv_12m_low: Money = same_as(Forecast, "clv_12m_low")
    clv_12m_high: Money = same_as(Forecast, "clv_12m_high")
    clv_12m_net: Money = same_as(Forecast, "clv_12m_net")
    clv_12m_margin: Money = same_as(Forecast, "clv_12m_margin")
    clv_horizon: Money = same_as(Forecast, "clv_horizon")
    forecast_model: T.StringType = column("Model behind the forecasts", required=True)


@table(Clv, forecast=Forecast, purchases=Purchases, returns=CustomerReturns)
def clv(forecast: DataFrame, purchases: DataFrame, returns: DataFrame, as_of: date) -> DataFrame:
    refunds = returns.select("customer_id", "total_returns", "returned_amount")
    refunded = F.when(F.col("total_returns").isNull(), F.lit(0)).otherwise(F.col("returned_amount"))
    return (
        purchases.where("NOT is_orphan")
        .join(refunds, "customer_id", "left")
        .withColumn("historic_value", (F.col("monetary_value") - refunded).cast("decimal(18,2)"))
        .withColumn("tenure_days", days_since(as_of, "first_purchase_date"))
        .withColumn("repeat_purchase_days", F.col("purchase_days") - 1)
        .select("customer_id", "historic_value", "tenure_days", "repeat_purchase_days")
        .join(forecast.drop("as_of_date"), "customer_id")
    )
