"""The landing tables: columns in file order, and the canonical vocabulary."""

from __future__ import annotations

from typing import Final

COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "customers": (
        "customer_id",
        "first_name",
        "last_name",
        "email",
        "gender",
        "date_of_birth",
        "signup_date",
        "region",
        "customer_segment",
    ),
    "products": ("product_id", "product_name", "category", "brand", "cost_price", "selling_price"),
    "transactions": (
        "transaction_id",
        "customer_id",
        "product_id",
        "quantity",
        "price",
        "amount",
        "payment_method",
        "transaction_date",
    ),
    "returns": (
        "return_id",
        "transaction_id",
        "customer_id",
        "product_id",
        "amount",
        "return_reason",
        "return_date",
    ),
    "support_tickets": (
        "ticket_id",
        "customer_id",
        "ticket_category",
        "priority",
        "status",
        "opened_date",
        "resolved_date",
    ),
    "web_activity": ("session_id", "customer_id", "activity_type", "product_id", "timestamp"),
}

SNAPSHOTS: Final = ("customers", "products")
"""Tables of full deliveries, in one file each; the others have one file per month."""

GENDERS: Final = ("Female", "Male", "Other")
REGIONS: Final = ("North", "South", "East", "West", "Central")
SEGMENTS: Final = ("Consumer", "Corporate", "Small Business")
PAYMENT_METHODS: Final = ("Credit Card", "Debit Card", "PayPal", "Bank Transfer", "Gift Card", "Cash")
RETURN_REASONS: Final = (
    "Damaged",
    "Wrong Item",
    "Not as Described",
    "Changed Mind",
    "Late Delivery",
    "Other",
)
TICKET_CATEGORIES: Final = ("Billing", "Delivery", "Product Quality", "Returns", "Account", "General")
PRIORITIES: Final = ("Low", "Medium", "High", "Urgent")
STATUSES: Final = ("Open", "Pending", "Escalated", "Resolved", "Closed")
ACTIVITY_TYPES: Final = (
    "Page View",
    "Product Click",
    "Cart View",
    "Add to Cart",
    "Remove from Cart",
    "Search",
    "Wishlist",
    "Checkout",
)
