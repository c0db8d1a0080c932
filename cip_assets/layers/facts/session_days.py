"""What each customer did on the website on a day."""

import pyspark.sql.functions as F
import pyspark.sql.types as T

from cip_assets.contracts.contract import column
from cip_assets.contracts.facts import facts
from cip_assets.contracts.types import Facts
from cip_assets.layers.cleaned.web_activity import web_activity


class SessionDays(
    Facts,
    grain="one row per customer, day and activity type",
    key=["customer_id", "day", "activity_type"],
    domain="web",
):
    """The sessions of each customer, counted by day and activity type. The weights of the types are in the rules, so
    they are applied later.
    """

    customer_id: T.StringType = column("Customer", required=True)
    day: T.DateType = column("Day of the sessions, in UTC", "timestamp", required=True)
    activity_type: T.StringType = column("Activity type, such as Search or Checkout; empty if there is none")
    sessions: T.LongType = column("Number of sessions", "session_id", required=True, ge=1)


session_days = facts(
    SessionDays,
    web_activity,
    day="day",
    keys={"day": lambda: F.col("timestamp").cast("date")},
    sums={"sessions": lambda: F.count("*")},
)
