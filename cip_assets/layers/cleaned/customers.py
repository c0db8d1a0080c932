"""The newest delivered snapshot of the customers."""

import pyspark.sql.functions as F
import pyspark.sql.types as T
from pyspark.sql import Column

from cip_assets.config.rules import EARLIEST_DAY, LATEST_DAY
from cip_assets.contracts.contract import column
from cip_assets.contracts.source import source
from cip_assets.contracts.text_formats import EMAIL
from cip_assets.contracts.types import Delivered


class Customers(Delivered, grain="one row per customer", key=["customer_id"], domain="customers"):
    """The newest delivered snapshot of the customers."""

    customer_id: T.StringType = column("Customer, an opaque id", required=True)
    first_name: T.StringType = column("First name", pii=True)
    last_name: T.StringType = column("Last name", pii=True)
    email: T.StringType = column("E-mail address, as delivered", pii=True)
    gender: T.StringType = column("Gender")
    date_of_birth: T.DateType = column("Date of birth; empty where it is no date", pii=True)
    signup_date: T.DateType = column(
        "Day the customer signed up; empty where unknown", ge=EARLIEST_DAY, le=LATEST_DAY
    )
    region: T.StringType = column("Sales region")
    customer_segment: T.StringType = column("Kind of customer, as the source says")
    is_email_plausible: T.BooleanType = column("False where the e-mail is present and cannot be one", "email")
    is_birth_date_plausible: T.BooleanType = column(
        "False if the date of birth cannot be read, is before 1900 or after the sign-up (without one, the delivery)",
        "date_of_birth",
        "signup_date",
        "delivery_date",
    )


def _is_birth_date_plausible() -> Column:
    born = F.col("date_of_birth")
    there = F.coalesce("signup_date", "delivery_date", F.lit(LATEST_DAY))
    in_life = (born >= F.lit(EARLIEST_DAY)) & (born <= there)
    return F.when(F.col("has_date_of_birth"), F.coalesce(in_life, F.lit(False)))


customers = source(
    Customers,
    derived={
        "is_email_plausible": lambda: F.col("email").rlike(EMAIL),
        "is_birth_date_plausible": _is_birth_date_plausible,
    },
)
