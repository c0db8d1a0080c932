"""Customer value so far, and as it is forecast."""

from datetime import date

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.calc.as_of import days_since
from cip_assets.contracts.contract import column
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
    p_alive: Ratio = column("Probability of not having dropped out by the snapshot day", ge=0, le=1)
    expected_orders: Ratio = column("Purchase days expected within the churn window", ge=0)
    orders_low: Ratio = column("Lower end of its 80% interval", ge=0)
    orders_high: Ratio = column("Upper end of that interval", ge=0)
    expected_purchases_30: Ratio = column("Purchase days expected in the next 30 days", ge=0)
    expected_purchases_90: Ratio = column("Purchase days expected in the next 90 days", ge=0)
    expected_purchases_365: Ratio = column("Purchase days expected in the next 365 days", ge=0)
    expected_value: Money = column("Expected value of a purchase day", unit="currency", ge=0)
    expected_spend: Money = column("Spend expected within the churn window", unit="currency", ge=0)
    spend_low: Money = column("Lower end of its 80% interval", unit="currency", ge=0)
    spend_high: Money = column("Upper end of that interval", unit="currency", ge=0)
    clv_12m: Money = column(
        "Revenue expected over the next 12 months, discounted, before returns and costs",
        unit="currency",
        ge=0,
    )
    clv_12m_low: Money = column("Lower end of its 80% interval", unit="currency", ge=0)
    clv_12m_high: Money = column("Upper end of that interval", unit="currency", ge=0)
    clv_12m_net: Money = column(
        "clv_12m less the share that the buyer is expected to return", unit="currency", ge=0
    )
    clv_12m_margin: Money = column(
        "clv_12m_net times the margin of the shop; empty if the costs are unknown", unit="currency"
    )
    clv_horizon: Money = column(
        "Revenue expected over the horizon of the rules, discounted, before returns and costs",
        unit="currency",
        ge=0,
    )
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
