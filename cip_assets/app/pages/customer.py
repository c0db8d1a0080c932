"""The page of a customer."""

from collections.abc import Mapping
from typing import Any

from cip_assets.app.customer import customer
from cip_assets.app.page import Ask, NotFoundError, Page, day_in
from cip_assets.app.timeline import KINDS

FIRST_SHOWN = 40
"""The touchpoints that the timeline shows at first, and adds each time."""

MOST_DIGITS = 6
"""The digits of a number of touchpoints that is asked for; another one counts as none."""

PERSON = (
    "first_name",
    "last_name",
    "email",
    "date_of_birth",
    "gender",
    "region",
    "customer_segment",
    "signup_date",
)
VALUE = ("monetary_value", "frequency", "avg_order_value", "net_revenue", "returned_amount", "return_rate")
EXPECTED = ("clv_12m", "expected_spend", "expected_orders", "clv_12m_margin")
INTERVALS: Mapping[str, tuple[str, str]] = {
    "churn_probability": ("churn_probability_low", "churn_probability_high"),
    "clv_12m": ("clv_12m_low", "clv_12m_high"),
    "expected_spend": ("spend_low", "spend_high"),
    "expected_orders": ("orders_low", "orders_high"),
}
"""The figures that have an interval, with its ends."""

CONTACT = (
    "total_tickets",
    "open_tickets",
    "avg_resolution_days",
    "total_sessions",
    "active_days",
    "engagement_score",
)
HABITS = (
    "payment_method",
    "top_category",
    "top_brand",
    "purchase_days",
    "first_purchase_date",
    "last_purchase_date",
)


def _show(ask: Ask) -> Mapping[str, Any]:
    customer_id = ask.one("id")
    ask.look_up("customer", customer_id)
    found = customer(ask.lake, ask.viewer, customer_id, ask.day)
    if not found.is_known:
        raise NotFoundError(
            f"No customer {customer_id!r} is known on {ask.day}. Check the id, or choose a later day."
        )
    kinds = [kind for kind in KINDS if kind in ask.given.get("kind", KINDS)]
    since, until = (day_in(ask.one(name)) if ask.one(name) else None for name in ("since", "until"))
    points = [
        point
        for point in found.events.touchpoints()
        if point.kind in kinds and (not since or since <= point.day) and (not until or point.day <= until)
    ]
    asked = ask.one("most")
    most = int(asked) if asked.isdecimal() and len(asked) <= MOST_DIGITS else FIRST_SHOWN
    return {
        "customer": found,
        "row": found.row,
        "person": PERSON,
        "value": VALUE,
        "expected": EXPECTED,
        "intervals": INTERVALS,
        "contact": CONTACT,
        "habits": HABITS,
        "kinds": KINDS,
        "chosen": kinds,
        "since": since,
        "until": until,
        "points": points[:most],
        "count": len(points),
        "next": most + FIRST_SHOWN if len(points) > most else None,
        "window_days": ask.rules.churn.window_days,
    }


CUSTOMER = Page("/customer", "customer.html.jinja", _show)
