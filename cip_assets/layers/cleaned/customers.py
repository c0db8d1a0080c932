"""The source table ``customers``."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column

from cip_assets.config.rules import EARLIEST_DAY, LATEST_DAY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import EMAIL
from cip_assets.contracts.types import Delivered


class Customers(Delivered, grain="one row per customer", key=["customer_id"], domain="customers"):
    """Customers, from the newest full delivery."""

    customer_id: T.StringType = column("Customer id", required=True)
    first_name: T.StringType = column("First name", pii=True)
    last_name: T.StringType = column("Last name", pii=True)
    email: T.StringType = column("Email address", pii=True)
    gender: T.StringType = column("Gender")
    date_of_birth: T.DateType = column("Date of birth; empty if it is not a date", pii=True)
    signup_date: T.DateType = column("Sign-up day; empty if unknown", ge=EARLIEST_DAY, le=LATEST_DAY)
    region: T.StringType = column("Sales region")
    customer_segment: T.StringType = column("Customer segment, from the source")
    is_email_plausible: T.BooleanType = column(
        "False if the email address is invalid; empty if there is none", "email"
    )
    is_birth_date_plausible: T.BooleanType = column(
        "False if the date of birth cannot be read, is before 1900, or is after the sign-up day (if unknown, after the "
        "delivery date)",
        "date_of_birth",
        "signup_date",
        "delivery_date",
    )


def _is_birth_date_plausible() -> Column:
    born = F.col("date_of_birth")
    latest = F.coalesce("signup_date", "delivery_date", F.lit(LATEST_DAY))
    is_in_range = (born >= F.lit(EARLIEST_DAY)) & (born <= latest)
    return F.when(F.col("has_date_of_birth"), F.coalesce(is_in_range, F.lit(False)))


customers = source(
    Customers,
    derived={
        "is_email_plausible": lambda: F.col("email").rlike(EMAIL),
        "is_birth_date_plausible": _is_birth_date_plausible,
    },
)
