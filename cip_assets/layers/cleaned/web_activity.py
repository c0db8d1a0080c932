"""The source table ``web_activity``."""

import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.types import Event


class WebActivity(Event, grain="one row per session", key=["session_id"], domain="web"):
    """Sessions on the website."""

    session_id: T.StringType = column("Session id", required=True)
    customer_id: T.StringType = column("Customer", required=True)
    activity_type: T.StringType = column("Activity type, such as Search or Checkout")
    product_id: T.StringType = column("Product viewed")
    timestamp: T.TimestampType = column(
        "Date and time in UTC; midnight if only a date was delivered", required=True
    )


web_activity = source(WebActivity, event_date="timestamp")
