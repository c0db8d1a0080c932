"""The first page: find a customer."""

from collections.abc import Mapping
from typing import Any

from cip_assets.app.page import Ask, Page
from cip_assets.app.search import MOST, find, summaries


def _show(ask: Ask) -> Mapping[str, Any]:
    text = ask.one("q")
    found = find(ask.lake, ask.viewer, text)
    if text.strip():
        # What was typed may be a name or an email, so it is not logged.
        ask.look_up("search", None, found=[each.customer_id for each in found])
    return {
        "searched": text,
        "found": found[:MOST],
        "rows": summaries(ask.lake, ask.viewer, found[:MOST], ask.day),
        "is_more": len(found) > MOST,
        "most": MOST,
        "fields": _fields(ask),
    }


def _fields(ask: Ask) -> str:
    """What can be searched by, in words."""
    names = {ask.viewer.shown("first_name"), ask.viewer.shown("last_name")} - {"hidden"}
    email = ask.viewer.shown("email")
    found = ["a customer id", "an order number"]
    found += [] if email == "hidden" else ["a part of an email" if email == "shown" else "a whole email"]
    found += [] if not names else ["a part of a name" if "shown" in names else "a whole name"]
    return f"{', '.join(found[:-1])} or {found[-1]}"


FIND = Page("/", "find.html.jinja", _show, "Customers")
