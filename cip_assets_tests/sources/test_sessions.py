"""Sessions of a website: which files hold them, what an event means, and where a session ends."""

import csv
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.config.errors import PlatformError
from cip_assets.sources import sessions
from cip_assets.sources.adopt import adopt
from cip_assets.sources.config import Export, Layout, Sources
from cip_assets.sources.convert import Summary, convert
from cip_assets.sources.recognize import Proposal, propose_sessions

EVENTS = ("Time", "User", "Event")
LAYOUT = Layout(
    header=EVENTS,
    table="sessions",
    fields={"date": ("Time",), "customer_id": ("User",), "activity": ("Event",)},
)


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute(sessions.MACROS)
        yield connection


@pytest.mark.parametrize(
    ("activity", "texts"),
    [
        (
            "Page View",
            ["page_view", "pageview", "Page Viewed", "/", "https://shop.example/blog/a?email=x@y.z"],
        ),
        ("Product Click", ["view_item", "Product Viewed", "select_item", "/products/lamp", "/de/artikel/7"]),
        ("Search", ["search", "Products Searched", "view_search_results", "/search?q=checkout"]),
        ("Wishlist", ["add_to_wishlist", "Wish List", "/wishlist"]),
        ("Cart View", ["view_cart", "Cart Viewed", "/cart", "/checkout/cart/", "www.shop.example/warenkorb"]),
        (
            "Add to Cart",
            ["add_to_cart", "AddToCart", "product_added_to_cart", "Product Added", "Add to Basket"],
        ),
        ("Remove from Cart", ["remove_from_cart", "Product Removed", "RemoveFromBag"]),
        (
            "Checkout",
            ["begin_checkout", "purchase", "Order Completed", "add_payment_info", "/en-GB/checkout/1"],
        ),
        ("newsletter signup", ["newsletter signup"]),
    ],
)
def test_an_event_or_a_page_is_an_activity_of_the_platform(
    connection: duckdb.DuckDBPyConnection, activity: str, texts: Sequence[str]
) -> None:
    found = connection.execute("SELECT x, activity(x) FROM (SELECT unnest($1) AS x)", [texts]).fetchall()
    assert dict(found) == dict.fromkeys(texts, activity)


def converted(folder: Path, *exports: tuple[Layout, str]) -> Summary:
    found = tuple(Export(files=(files,), layouts=(layout,)) for layout, files in exports)
    return convert(Sources(first_month=date(2024, 1, 1), exports=found), folder, folder / "landing")


def put(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join([",".join(EVENTS), *lines, ""]), encoding="utf-8")


def landed(folder: Path) -> list[dict[str, str]]:
    rows = []
    for path in sorted((folder / "landing" / "web_activity" / "from_exports").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    return rows


@pytest.mark.parametrize(
    ("order", "zone", "text", "time"),
    [
        ("ymd", None, "2024-03-31T23:30:15Z", "2024-03-31 23:30:15"),
        ("ymd", "Europe/Berlin", "2024-03-31T23:30:15Z", "2024-04-01 01:30:15"),
        ("ymd", "Europe/Berlin", "2024-03-31 23:30:15+02:00", "2024-03-31 23:30:15"),
        ("ymd", "Europe/Berlin", "2024-03-31", "2024-03-31 00:00:00"),
        ("dmy", None, "31.03.2024 11:30 pm", "2024-03-31 23:30:00"),
        ("unix", None, "1711927815", "2024-03-31 23:30:15"),
        ("unix", "Europe/Berlin", "1711927815123", "2024-04-01 01:30:15"),
        ("excel", None, "45382.75", "2024-03-31 18:00:00"),
        ("excel", "Europe/Berlin", "45382.98", "2024-04-01 01:31:12"),
        ("excel", "America/New_York", "45382", "2024-03-31 00:00:00"),
    ],
)
def test_the_time_is_that_of_the_shops_clock(
    tmp_path: Path, order: str, zone: str | None, text: str, time: str
) -> None:
    put(tmp_path, "a.csv", f"{text},ann,search")
    layout = LAYOUT.model_copy(update={"date_order": order, "time_zone": zone})
    summary = converted(tmp_path, (layout, "a.csv"))
    (row,) = landed(tmp_path)
    assert (row["timestamp"], row["activity_type"]) == (time, "Search")
    assert summary.first_session_day == date.fromisoformat(time[:10])


def test_ids_are_those_of_the_export_where_they_name_one_session(tmp_path: Path) -> None:
    layout = LAYOUT.model_copy(
        update={"header": ("Time", "User", "Event"), "fields": {**LAYOUT.fields, "session_id": ("Event",)}}
    )
    put(tmp_path, "a.csv", "2024-03-01 10:00,ann,s1", "2024-03-01 12:00,ann,s1", "2024-03-02 10:00,bob,s1")
    put(tmp_path, "b.csv", "2024-03-01 10:00,ann,s2", "2024-03-01 10:00,eve@example.org,")
    converted(tmp_path, (layout, "a.csv"))
    assert [row["session_id"] for row in landed(tmp_path)] == ["s1-ann", "s1-bob"]
    converted(tmp_path, (layout, "*.csv"))
    (of_address,) = {row["session_id"] for row in landed(tmp_path)} - {"s1-ann", "s1-bob", "s2"}
    assert of_address.startswith("person-")
    assert of_address.endswith("-20240301T100000")
    # Two exports may have the same ids.
    converted(tmp_path, (layout, "a.csv"), (layout, "b.csv"))
    assert {row["session_id"].split(":")[0] for row in landed(tmp_path)} == {"export1", "export2"}


def test_an_event_without_a_time_is_quarantined_and_one_of_nobody_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "soon,ann,search", "soon,ann,search", "2024-03-01,0,search", "2024-03-01,,search")
    summary = converted(tmp_path, (LAYOUT, "a.csv"))
    assert {kind.kind: kind.records for kind in summary.kinds} == {"session": 2, "unidentified": 2}
    assert [(row["timestamp"], row["export_line"]) for row in landed(tmp_path)] == [
        ("soon", "2"),
        ("soon", "3"),
    ]
    assert (summary.sessions, summary.visitors, summary.first_session_day) == (0, 0, None)


@settings(max_examples=25, deadline=None)
@given(
    events=st.lists(
        st.tuples(st.sampled_from(["ann", "bob"]), st.integers(0, 5000)), min_size=1, max_size=20
    ),
    again=st.booleans(),
    seed=st.integers(0, 99),
)
def test_neither_order_nor_repetition_changes_sessions(
    tmp_path_factory: pytest.TempPathFactory, events: list[tuple[str, int]], again: bool, seed: int
) -> None:
    folder, begin = tmp_path_factory.mktemp("shop"), datetime(2024, 3, 1)  # noqa: DTZ001
    lines = [f"{begin + timedelta(seconds=second)},{who},search" for who, second in events]
    random.Random(seed).shuffle(lines)
    put(folder, "a.csv", *lines)
    if again:
        put(folder, "b.csv", *lines[: len(lines) // 2], "")
    converted(folder, (LAYOUT, "*.csv"))
    by_customer = defaultdict(list)
    for who, second in sorted(events, key=lambda event: event[1]):
        starts = by_customer[who]
        if not starts or second - starts[-1][1] > sessions.PAUSE * 60:
            starts.append([second, second])
        starts[-1][1] = second
    wanted = {
        (who, str(begin + timedelta(seconds=first)))
        for who, found in by_customer.items()
        for first, _ in found
    }
    assert {(row["customer_id"], row["timestamp"]) for row in landed(folder)} == wanted
    assert len(landed(folder)) == len(wanted)


# --- recognition ----------------------------------------------------------------------------------------------------


def proposed(header: str, *lines: str) -> Proposal | None:
    names = header.split("|")
    rows = [{name: cell for name, cell in zip(names, line.split("|"), strict=True) if cell} for line in lines]
    return propose_sessions(names, rows)


def test_events_of_a_website_are_recognized() -> None:
    found = proposed(
        "id|userId|event|properties.product_id|timestamp|value",
        "1|u1|Product Viewed|P1|2024-03-13T10:00:00Z|",
        "2|u1|Order Completed||2024-03-13T10:05:00Z|25.00",
        "3||Page Viewed||2024-03-14T10:05:00Z|",
    )
    assert found is not None
    assert (found.layout.table, found.layout.date_order, found.stops) == ("sessions", "ymd", ())
    assert dict(found.layout.fields) == {
        "customer_id": ("userId",),
        "date": ("timestamp",),
        "activity": ("event",),
        "product_id": ("properties.product_id",),
    }
    assert {finding.field: finding.state for finding in found.findings} == {
        "date": "proved",
        "customer_id": "chosen",
        "product_id": "chosen",
        "session_id": "asked",
        "activity": "chosen",
    }


def test_milliseconds_since_1970_are_a_time() -> None:
    found = proposed("visit_id|member_id|ts|time", "v1|m1||1711927815123", "v2|m1||1711927899000")
    assert found is not None
    assert (found.layout.date_order, found.layout.fields["date"]) == ("unix", ("time",))


def test_days_that_can_be_read_in_two_ways_stop() -> None:
    found = proposed("session_id|email|date", "a|x@example.org|01/02/2024", "b|x@example.org|03/04/2024")
    assert found is not None
    assert "say which with --date-order" in found.stops[0]


@pytest.mark.parametrize(
    ("header", "lines"),
    [
        ("customer_id|page|created_at", ["c1|/a|2024-03-13", "c2|/b|2024-03-14"]),
        ("ticket id|email|action|created_at", ["1|x@example.org|opened|2024-03-13"] * 2),
        ("order_id|email|event|date|amount", ["1|x@example.org|sale|2024-03-13|5.00"] * 2),
        ("session_id|date", ["a|2024-03-13"] * 2),
        ("session_id|email", ["a|x@example.org"] * 2),
        ("email|date", ["x@example.org|2024-03-13"] * 2),
    ],
    ids=["customers", "tickets", "orders", "no customer", "no time", "nothing done"],
)
def test_other_records_are_no_sessions(header: str, lines: list[str]) -> None:
    assert proposed(header, *lines) is None


def test_visits_of_nobody_are_refused_with_the_reason(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "2024-03-13 10:00,,view", "2024-03-13 10:05,,view")
    with pytest.raises(
        PlatformError,
        match="a.csv: no order lines: if its records are visits to the website, no column says of which",
    ):
        adopt([tmp_path / "a.csv"], tmp_path)


def test_sessions_beside_orders_are_adopted_with_them(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "orders.csv").write_text(
        "Order,Date,Email,SKU,Qty,Price,Amount\n"
        "1,2024-03-13,ann@example.org,P1,2,5.00,10.00\n2,2024-03-14,bob@example.org,P1,1,5.00,5.00\n",
        encoding="utf-8",
    )
    # By its name this could be a table of customers.
    put(
        shop,
        "customer_events.csv",
        "2024-03-13 10:00,ann@example.org,view",
        "2024-03-13 10:05,ann@example.org,cart",
    )
    found = adopt([shop], tmp_path)
    assert (found.summary.orders, found.summary.buyers, found.left_aside) == (2, 2, [])
    assert (found.summary.sessions, found.summary.visitors) == (1, 1)
    (export,) = found.sources.exports
    assert [layout.table for layout in export.layouts] == ["orders", "sessions"]
