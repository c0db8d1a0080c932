"""Facts: events added up by month, once, so that snapshots need not go through every event again.

A snapshot reads the facts and not the cleaned events that they are made of. The exceptions are named here, each with
its reason.
"""

from collections.abc import Mapping

WITHOUT_FACTS: Mapping[str, str] = {
    "returns": "an order with several returns counts once, so each return has to keep its order or its line",
    "support_tickets": "a ticket counts as open until it is resolved, so each has to keep both of its days",
}
"""The event tables that snapshots read as they are, because nothing coarser than their rows would do."""

READ_LINES: Mapping[str, str] = {
    "features/preferences": "the favorite category and brand need the product of each line",
    "features/shop_margin": "the cost of a line is that of its product",
    "features/returns": "a return names the line that it undoes, and the line names the order",
    "marts/kpi_top_products": "the orders and buyers of a product need the product of each line",
    "marts/cell_products": "the category and the returns of a line need its product and its id",
    "marts/list_at_risk": "the category of the last purchase needs the product of each line",
    "marts/list_returns": "returns per order line of a product need the product of each line",
    "marts/insight_counts": "returns by category need the product of each line",
}
"""The tables that read order lines. Facts by order and product would have as many rows as there are lines."""
