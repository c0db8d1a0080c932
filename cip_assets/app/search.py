"""Find a customer by id, email, name or order number, as far as the viewer may see these.

What is shown is found by its parts, what is masked by its whole text only, so that nobody can guess it letter by
letter. What is hidden is not searched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from cip_assets.app.access import Viewer
from cip_assets.app.index import FOLDED
from cip_assets.app.lake import Lake, Row
from cip_assets.storage.csv_query import as_far_as_allowed

MOST = 25
"""The customers that a search lists."""

LONGEST = 200
"""The letters of a text that is looked for. A longer one finds nobody, so that no search takes long."""

LEAST_LETTERS = 2
"""The letters that a part of a name or email needs, so that a search does not list everybody."""


@dataclass(frozen=True)
class Found:
    """A customer that a search found. ``by`` says by what, ``order`` is the order's number."""

    customer_id: str
    by: str
    order: str = ""


def find(lake: Lake, viewer: Viewer, text: str) -> Sequence[Found]:
    """The customers that a text finds, one more than ``MOST`` if there are more.

    Emails and names are searched only if nobody has the text as an id, or as the number of an order.

    Args:
        lake: the tables.
        viewer: who searches.
        text: what to look for: the whole of an id or of an order number, or an email or a name.

    """
    wanted = text.strip()
    if not wanted or len(wanted) > LONGEST:
        return []
    found: dict[str, Found] = {}
    for each in (*_by_id(lake, wanted), *_by_order(lake, wanted)):
        found.setdefault(each.customer_id, each)
    return list(found.values()) or list(_by_name(lake, viewer, wanted))


def _by_id(lake: Lake, wanted: str) -> Iterator[Found]:
    query = """SELECT customer_id FROM "index/names" WHERE customer_id IN (?, upper(?), lower(?))
        ORDER BY customer_id <> ?"""
    for row in lake.rows(query, [wanted] * 4):
        yield Found(row["customer_id"], "id")


def _by_order(lake: Lake, wanted: str) -> Iterator[Found]:
    query = f"""SELECT DISTINCT order_id, customer_id FROM "index/orders"
        WHERE order_id IN (?, upper(?)) AND customer_id IS NOT NULL ORDER BY customer_id LIMIT {MOST + 1}"""
    for row in lake.rows(query, [wanted] * 2):
        yield Found(row["customer_id"], "order", row["order_id"])


def _by_name(lake: Lake, viewer: Viewer, wanted: str) -> Iterator[Found]:
    """Every word of the text must be in a part that the viewer sees, or the text be the whole of a masked one."""
    conditions, given = [], []
    shown = [name for name in ("first_name", "last_name", "email") if viewer.shown(name) == "shown"]
    words = list(dict.fromkeys(wanted.split()))
    if shown and all(len(word) >= LEAST_LETTERS for word in words):
        in_one = " OR ".join(f"contains({name}, {FOLDED.format('?')})" for name in shown)
        conditions.append(" AND ".join(f"({in_one})" for _ in words))
        given += [word for word in words for _ in shown]
    if viewer.shown("email") == "masked":
        conditions.append(f"email = {FOLDED.format('?')}")
        given.append(wanted)
    names = [name for name in ("first_name", "last_name") if viewer.shown(name) == "masked"]
    if names:
        conditions.append(f"concat_ws(' ', {', '.join(names)}) = {FOLDED.format('?')}")
        given.append(" ".join(wanted.split()))
    if not conditions:
        return
    query = f"""SELECT customer_id FROM "index/names" WHERE {" OR ".join(conditions)}
        ORDER BY customer_id LIMIT {MOST + 1}"""
    for row in lake.rows(query, given):
        yield Found(row["customer_id"], "email or name")


def summaries(lake: Lake, viewer: Viewer, found: Sequence[Found], day: date) -> Sequence[Row]:
    """What a list of results shows of each customer on a day; nothing of those who were not known then."""
    ids = [each.customer_id for each in found]
    if not ids:
        return []
    person = [as_far_as_allowed(name, viewer.shown(name)) for name in ("first_name", "last_name", "email")]
    columns = [name if " AS " in name else f"{name} AS {name}" for name in person]
    query = f"""SELECT customer_id, {", ".join(columns)}, rfm_segment, churn_band, monetary_value, frequency,
          last_purchase_date
        FROM "marts/customer_360" WHERE customer_id IN ({", ".join("?" * len(ids))})"""
    rows = {row["customer_id"]: row for row in lake.rows(query, ids, day)}
    return [
        {"by": each.by, "order": each.order, **rows[each.customer_id]}
        for each in found
        if each.customer_id in rows
    ]
