"""What customers do on the web site."""

import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.types import Event


class WebActivity(Event, grain="one row per session", key=["session_id"], domain="web"):
    """What customers do on the web site."""

    session_id: T.StringType = column("Session, an opaque id", required=True)
    customer_id: T.StringType = column("Customer", required=True)
    activity_type: T.StringType = column("What was done")
    product_id: T.StringType = column("Product looked at")
    timestamp: T.TimestampType = column(
        "Date and time (UTC; midnight where only a date is given)", required=True
    )


web_activity = source(WebActivity, event_date="timestamp")
