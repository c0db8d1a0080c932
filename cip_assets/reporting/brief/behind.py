"""What is behind the changes of a week: the groups of customers, products and files whose changes add up to each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import duckdb

from cip_assets.config.settings import Settings
from cip_assets.storage import delta
from cip_assets.storage.views import view

WEEK = timedelta(days=7)

GROUPS: Mapping[str, str] = {
    "category": "coalesce((SELECT category FROM cleaned_products p WHERE p.product_id = e.product_id), 'Unknown')",
    "region": "coalesce((SELECT region FROM cleaned_customers c WHERE c.customer_id = e.customer_id), 'Unknown')",
    "buyers": """CASE WHEN customer_id IS NULL THEN 'guests'
        WHEN (SELECT first_day FROM first_days f WHERE f.customer_id = e.customer_id)
          > CASE WHEN is_this THEN $before ELSE $start END THEN 'new' ELSE 'returning' END""",
    "reason": "return_reason",
    "ticket category": "ticket_category",
    "file": "source_file",
}
"""How the rows of an event table are grouped, in SQL."""

FIGURES: Sequence[tuple[str, str, str, str, Sequence[str]]] = (
    ("revenue", "transactions", "transaction_date", "amount", ("category", "region", "buyers", "file")),
    ("returns", "returns", "return_date", "1", ("reason", "category", "region", "file")),
    ("tickets", "support_tickets", "opened_date", "1", ("ticket category", "region", "file")),
)
"""The figures of the week that are taken apart: name, table, day, what is added up, and the groups."""


@dataclass(frozen=True)
class Part:
    """How a figure of a group changed from the week before to the week.

    Attributes:
        what: the figure.
        by: what the rows are grouped by.
        group: the group.
        change: the figure of the week less that of the week before; None if an amount is unknown.

    """

    what: str
    by: str
    group: str
    change: Any


def parts(settings: Settings, connection: duckdb.DuckDBPyConnection, day: date) -> Iterator[Part]:
    """Each figure that changed, taken apart in several ways. The parts of each way add up to the change."""
    tables = {
        table: delta.dataset(settings.table_uri("cleaned", table))
        for table in ("customers", "products", *(table for _, table, *_ in FIGURES))
    }
    for table, rows in tables.items():
        view(connection, f"cleaned_{table}", rows)
    days = {"end": day, "before": day - WEEK, "start": day - 2 * WEEK}
    connection.execute(
        """CREATE TEMP TABLE first_days AS SELECT customer_id, min(transaction_date) AS first_day
        FROM cleaned_transactions WHERE transaction_date <= ? GROUP BY 1""",
        [day],
    )
    for what, table, dated, added, groups in FIGURES:
        for by in groups if tables[table].files else ():
            found = connection.execute(
                f"""SELECT "group", CASE WHEN count(added) = count(*)
                  THEN coalesce(sum(added) FILTER (is_this), 0) - coalesce(sum(added) FILTER (NOT is_this), 0) END
                FROM (SELECT {GROUPS[by]} AS "group", is_this, {added} AS added
                  FROM (SELECT *, {dated} > $before AS is_this FROM cleaned_{table}
                    WHERE {dated} > $start AND {dated} <= $end) e)
                GROUP BY 1 ORDER BY 1""",
                days,
            ).fetchall()
            yield from (Part(what, by, group, change) for group, change in found)


def strongest(found: Sequence[Part]) -> Mapping[str, Sequence[Part]]:
    """Of each figure and each way to take it apart, the part that did most for the change, by figure."""
    most: dict[str, list[Part]] = {}
    for what, by in dict.fromkeys((part.what, part.by) for part in found):
        of_it = [part for part in found if (part.what, part.by) == (what, by)]
        if any(part.change is None for part in of_it):
            continue
        total = sum(part.change for part in of_it)
        if total:
            sign = 1 if total > 0 else -1
            most.setdefault(what, []).append(max(of_it, key=lambda part: sign * part.change))
    return most
