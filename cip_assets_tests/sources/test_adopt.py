"""Exports of no known system, each read as somebody counts it by hand, or refused in one line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import Adopted, Answers, adopt
from cip_assets_tests.sources.reading.workbooks import number, text, workbook
from cip_assets_tests.sources.test_cases import figures


def adopted(tmp_path: Path, files: Mapping[str, str | bytes]) -> Adopted:
    for name, content in files.items():
        path = tmp_path / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return adopt([tmp_path / "in"], tmp_path / "data", Answers())


def asked(found: Adopted) -> str:
    return "\n".join(
        f"{finding.field} {finding.why}"
        for findings in found.findings.values()
        for finding in findings
        if finding.state == "asked"
    )


def refusal(tmp_path: Path, files: Mapping[str, str | bytes]) -> str:
    with pytest.raises(PlatformError) as error:
        adopted(tmp_path, files)
    assert "\n" not in str(error.value)
    return str(error.value)


ORDERS = "order_id,date,email,shipping,total\n1,2024-01-13,a@x.com,5.00,30.00\n2,2024-01-14,b@x.com,0.00,10.00\n3,2024-01-15,a@x.com,0.00,10.00\n"


@pytest.mark.parametrize("has_date", [True, False])
def test_lines_are_joined_with_their_orders(tmp_path: Path, has_date: bool) -> None:
    lines = [("1", "S1", "10.00"), ("1", "S2", "15.00"), ("2", "S1", "10.00"), ("3", "S1", "10.00")]
    day = ",2024-01-13" if has_date else ""
    content = f"order_id{',date' if has_date else ''},sku,qty,price\n" + "".join(
        f"{order}{day},{sku},1,{price}\n" for order, sku, price in lines
    )
    found = figures(adopted(tmp_path, {"orders.csv": ORDERS, "order_items.csv": content}))
    assert (found["orders"], found["order_lines"], found["buyers"]) == ("3", "4", "2")
    assert (found["total_revenue"], found["charged"], found["last_order_day"]) == (
        "45.00",
        "50.00",
        "2024-01-15",
    )


def test_customers_are_not_the_orders_of_lines(tmp_path: Path) -> None:
    customers = "id,name,email,created_at\n1,Ann Lee,a@x.com,2023-01-13\n2,Bob Ray,b@x.com,2023-01-14\n"
    lines = "order_id,date,sku,qty,price\n1,2024-01-13,S1,1,10.00\n2,2024-01-14,S1,1,10.00\n"
    found = adopted(
        tmp_path,
        {
            "customers.csv": customers,
            "people.csv": customers + "3,C D,c@x.com,2023-01-15\n",
            "lines.csv": lines,
        },
    )
    assert figures(found)["first_order_day"] == "2024-01-13"


def test_what_has_the_same_orders_without_products_is_left_aside(tmp_path: Path) -> None:
    orders = (
        "Order,Date,Email,SKU,Qty,Price\n1,2024-01-13,a@x.com,S1,1,10.00\n2,2024-01-14,b@x.com,S1,1,10.00\n"
    )
    credits_ = "Order,Date,Amount\n1,2024-01-20,10.00\n2,2024-01-20,10.00\n"
    found = adopted(tmp_path, {"orders.csv": orders, "gutschriften.csv": credits_})
    assert figures(found)["total_revenue"] == "20.00"
    (aside,) = found.left_aside
    assert aside.startswith("gutschriften.csv: it has the orders of orders.csv in another form")


def test_a_workbook_may_have_sheets_of_something_else(tmp_path: Path) -> None:
    sheets = {
        "Orders": [
            [text(name) for name in ("Order", "Date", "Product", "Amount")],
            [number("1"), text("2024-01-13"), text("Cup"), number("10")],
        ],
        "Summary": [[text("Month"), text("Revenue")], [text("January"), number("10")]],
    }
    found = adopted(tmp_path, {"shop.xlsx": workbook(sheets)})
    assert figures(found)["total_revenue"] == "10.00"
    assert {kind.kind: kind.records for kind in found.summary.kinds} == {"sale": 1, "not_used": 1}


def test_columns_have_names_of_several_languages(tmp_path: Path) -> None:
    for name, header in {
        "fr": "N° commande;Date de commande;Client;Référence;Quantité;Prix unitaire",
        "it": "Numero ordine;Data;Cliente;Codice articolo;Quantità;Prezzo",
        "es": "Pedido;Fecha;Cliente;Artículo;Cantidad;Precio",
        "nl": "Bestelnummer;Besteldatum;Klant;Artikel;Aantal;Prijs",
        "de": "Belegnummer;Belegdatum;Kunde;Artikelnr;Menge;Preis",
    }.items():
        lines = "1;13/01/2024;a@x.com;T1;2;1.210,50\n2;14/01/2024;b@x.com;T2;1;10,00\n"
        found = figures(adopted(tmp_path / name, {"orders.csv": f"{header}\n{lines}"}))
        assert (found["total_revenue"], found["buyers"], found["last_order_day"]) == (
            "2431.00",
            "2",
            "2024-01-14",
        )


@pytest.mark.parametrize(
    ("column", "texts", "is_asked"),
    [
        ("Discount", ("10%", "0%", "50%"), False),
        ("Discount %", ("10", "0", "50"), True),
        ("Rabatt (Prozent)", ("10,0", "0", "50,0"), True),
    ],
)
def test_a_discount_may_be_in_percent(
    tmp_path: Path, column: str, texts: tuple[str, ...], is_asked: bool
) -> None:
    first, second, third = texts
    content = (
        f"Order;Date;Email;SKU;Qty;Price;{column}\n1;2024-01-13;a@x.com;S1;2;10,00;{first}\n"
        f"2;2024-01-14;b@x.com;S1;1;10,00;{second}\n3;2024-01-15;b@x.com;S2;1;20,00;{third}\n"
    )
    found = adopted(tmp_path, {"orders.csv": content})
    assert (figures(found)["total_revenue"], "in percent" in asked(found)) == ("38.00", is_asked)


@pytest.mark.parametrize(
    "nobody",
    [
        "Guest Checkout",
        "#N/A",
        "(none)",
        "Laufkundschaft",
        "Walk in",
        "00000",
        "no-reply@shop.com",
        "NOEMAIL@x.com",
    ],
)
def test_guests_are_written_in_many_ways(tmp_path: Path, nobody: str) -> None:
    header = "Order,Date,Customer,SKU,Qty,Price\n"
    lines = [f"{n},2024-01-13,{who},S1,1,10.00\n" for n, who in enumerate(("Ann Lee", nobody, "Bob Ray"))]
    found = figures(adopted(tmp_path, {"orders.csv": header + "".join(lines)}))
    assert (found["buyers"], found["guest_orders"]) == ("2", "1")


def test_the_customer_1_is_somebody_and_minus_1_is_nobody(tmp_path: Path) -> None:
    lines = [f"{n},2024-01-13,{who},S1,1,10.00\n" for n, who in enumerate(("1", "-1", "1.0", "2"))]
    found = figures(
        adopted(tmp_path, {"orders.csv": "Order,Date,Customer ID,SKU,Qty,Price\n" + "".join(lines)})
    )
    assert (found["buyers"], found["guest_orders"]) == ("2", "1")


def test_an_address_that_only_begins_like_a_guests_is_a_buyer(tmp_path: Path) -> None:
    content = "Order,Date,Email,Amount\n1,2024-01-13,guest.buyer@x.com,1.00\n2,2024-01-13,nonest@x.com,1.00\n"
    assert figures(adopted(tmp_path, {"orders.csv": content}))["buyers"] == "2"


def test_an_address_without_an_account_is_the_account_that_orders_have_with_it(tmp_path: Path) -> None:
    content = (
        "Order,Date,Customer ID,Email,SKU,Qty,Price\n1,2024-01-13,7,ann@x.com,S1,1,10.00\n"
        "2,2024-01-14,0,ann@x.com,S1,1,10.00\n3,2024-01-15,8,bob@x.com,S1,1,10.00\n"
        "4,2024-01-16,0,cat@x.com,S1,1,10.00\n5,2024-01-17,7,,S1,1,10.00\n6,2024-01-18,,,S1,1,10.00\n"
    )
    found = figures(adopted(tmp_path, {"orders.csv": content}))
    assert (found["buyers"], found["guest_orders"]) == ("3", "1")


def test_numbers_that_begin_again_each_day_or_in_each_store_are_refused(tmp_path: Path) -> None:
    days = "Receipt No,Date,Item,Qty,Price\n" + "".join(
        f"{number_},2024-01-{day},Cup,1,10.00\n" for day in (13, 14, 15) for number_ in (1, 2, 3)
    )
    assert "order 1 is of 2024-01-13 and of 2024-01-14 (3 such orders)" in refusal(
        tmp_path / "a", {"pos.csv": days}
    )
    months = {f"pos_{month}.csv": days.replace("-01-", f"-{month}-") for month in ("01", "02")}
    assert "the numbers seem to be used again" in refusal(tmp_path / "b", months)
    stores = "Order,Store,Date,Customer,Qty,Price\n" + "".join(
        f"{number_},{store},2024-01-13,{store}{number_}@x.com,1,10.00\n"
        for store in "AB"
        for number_ in (1, 2, 3)
    )
    assert "order 1 is of a1@x.com and of b1@x.com (3 such orders)" in refusal(
        tmp_path / "c", {"shop.csv": stores}
    )


def test_an_order_of_two_days_may_be_a_mistake(tmp_path: Path) -> None:
    content = "Order,Date,Qty,Price\n" + "".join(
        f"{number_},2024-01-{day},1,10.00\n"
        for number_ in range(9)
        for day in (13, 14 if number_ == 5 else 13)
    )
    assert figures(adopted(tmp_path, {"orders.csv": content}))["orders"] == "9"


@pytest.mark.parametrize(
    "days", [("1705189800", "1705276200"), ("1705189800000", "1705276200000"), ("45304", "45305.5")]
)
def test_days_may_be_numbers(tmp_path: Path, days: tuple[str, str]) -> None:
    content = f"Order,Created at,Amount\n1,{days[0]},10.00\n2,{days[1]},10.00\n"
    found = figures(adopted(tmp_path, {"orders.csv": content}))
    assert (found["first_order_day"], found["last_order_day"]) == ("2024-01-13", "2024-01-14")


def test_a_file_may_have_several_versions_of_an_order(tmp_path: Path) -> None:
    header = "order_id,created_at,updated_at,status,sku,qty,price\n"
    versions = [
        f"{order},2024-01-13 10:00:00,2024-01-{day} 10:00:00,{status},{sku},1,10.00\n"
        for order in (1, 2, 3)
        for day, status in ((13, "paid"), (14, "shipped"))
        for sku in ("S1", "S2")
    ]
    found = adopted(tmp_path / "a", {"orders.csv": header + "".join(versions)})
    assert (figures(found)["order_lines"], figures(found)["total_revenue"]) == ("6", "60.00")
    assert "3 orders are there in several versions" in asked(found)
    more = [
        f"{order},2024-01-13,2024-01-15 10:00:00,paid,{sku},1,10.00\n"
        for order in (1, 2)
        for sku in ("S1", "S3")
    ]
    changed = adopted(tmp_path / "b", {"orders.csv": header + "".join([*versions, *more])})
    assert figures(changed)["order_lines"] == "6"


def test_a_time_of_change_may_be_that_of_the_line(tmp_path: Path) -> None:
    header = "order_id,created_at,updated_at,sku,qty,price\n"
    lines = [
        f"{order},2024-01-13,2024-01-{day},S{day % 2},1,10.00\n" for order in (1, 2) for day in (13, 14, 15)
    ]
    found = adopted(tmp_path, {"orders.csv": header + "".join(lines)})
    assert (figures(found)["order_lines"], figures(found)["total_revenue"]) == ("6", "60.00")
    assert "updated_at updated_at is another one on each line" in asked(found)


def test_times_of_change_that_are_not_written_as_the_dates_are_not_used(tmp_path: Path) -> None:
    lines = [f"{n},2024-01-{n + 10},a@x.com,S1,1,10.00,{n + 10}.03.2024 12:00" for n in range(1, 5)]
    found = adopted(
        tmp_path, {"a.csv": "\n".join(["order_id,date,email,sku,quantity,price,updated_at", *lines])}
    )
    assert "updated_at updated_at is not written as the dates are" in asked(found)
    (export,) = found.sources.exports
    assert "updated_at" not in export.layouts[0].fields


def test_the_total_of_an_order_on_each_line_is_refused_although_lines_have_quantities(tmp_path: Path) -> None:
    lines = (
        "1,2024-01-13,S1,2,35.00\n1,2024-01-13,S2,1,35.00\n2,2024-01-15,S2,1,40.00\n2,2024-01-15,S3,4,40.00\n"
    )
    why = refusal(tmp_path, {"orders.csv": f"Order,Date,SKU,Qty,Total\n{lines}"})
    assert "Total is the same on all records of an order" in why


@pytest.mark.parametrize(
    ("column", "texts"),
    [("Refunded", ("0", "1")), ("Refunded at", ("", "2024-01-20")), ("Returned", ("No", "Yes"))],
)
def test_what_says_that_something_was_given_back_is_asked(
    tmp_path: Path, column: str, texts: tuple[str, str]
) -> None:
    header = f"Order,Date,SKU,Qty,Price,{column}\n"
    lines = [f"{n},2024-01-13,S1,1,10.00,{value}\n" for n, value in enumerate(texts)]
    question = "refunded it says something of what was given back, and is not used"
    assert question in asked(adopted(tmp_path / "a", {"orders.csv": header + "".join(lines)}))
    without = adopted(tmp_path / "b", {"orders.csv": header + lines[0]})
    assert question not in asked(without)


def test_a_discount_may_be_a_share(tmp_path: Path) -> None:
    content = "Order,Date,Email,SKU,Qty,Price,Discount\n1,2024-01-13,a@x.com,S1,2,10.00,0.25\n2,2024-01-14,b@x.com,S2,1,5.00,\n"
    assert figures(adopted(tmp_path, {"orders.csv": content}))["total_revenue"] == "20.00"


@pytest.mark.parametrize(
    ("column", "texts"),
    [("Returned qty", ("0", "1", "5")), ("Refund amount", ("0", "4.00", "12.00"))],
)
def test_what_was_given_back_for_a_line_is_an_amount_or_units(
    tmp_path: Path, column: str, texts: Sequence[str]
) -> None:
    lines = [f"1,2024-01-13,a@x.com,S{n},3,4.00,{text}\n" for n, text in enumerate(texts)]
    found = figures(
        adopted(tmp_path, {"orders.csv": f"Order,Date,Email,SKU,Qty,Price,{column}\n" + "".join(lines)})
    )
    assert (found["total_revenue"], found["returned_amount"], found["refunded"]) == (
        "36.00",
        "16.00",
        "16.00",
    )


STATUS = "Order,Date,Email,SKU,Qty,Price,Shipping,Total,Status\n"


@pytest.mark.parametrize(
    ("statuses", "returned", "refunded"),
    [
        (("Paid", "Refunded"), "30.00", "35.00"),  # the second order, with its shipping
        (("Paid", "Partially refunded"), None, None),
        (("Cancelled", "Refunded"), "30.00", "35.00"),
    ],
)
def test_a_status_alone_says_that_an_order_was_given_back(
    tmp_path: Path, statuses: tuple[str, str], returned: str | None, refunded: str | None
) -> None:
    first, second = statuses
    lines = [
        f"1,2024-01-13,a@x.com,S1,1,10.00,0.00,10.00,{first}\n",
        f"2,2024-01-14,b@x.com,S1,1,10.00,5.00,35.00,{second}\n",
        f"2,2024-01-14,b@x.com,S2,2,10.00,5.00,35.00,{second}\n",
        "3,2024-01-15,a@x.com,S1,1,10.00,0.00,10.00,Paid\n",
        "4,2024-01-15,a@x.com,S1,1,10.00,0.00,10.00,Paid\n",
    ]
    found = adopted(tmp_path, {"orders.csv": STATUS + "".join(lines)})
    assert figures(found)["total_revenue"] == ("60.00" if first == "Paid" else "50.00")
    assert (figures(found)["returned_amount"], figures(found)["refunded"]) == (returned, refunded)
    assert f"{second!r} is taken as" in asked(found)


def test_a_status_of_a_line_says_that_the_line_was_given_back(tmp_path: Path) -> None:
    lines = [
        f"1,2024-01-13,a@x.com,S{n},{n},10.00,{status}\n" for n, status in ((1, "Returned"), (2, "Shipped"))
    ]
    found = figures(
        adopted(tmp_path, {"orders.csv": "Order,Date,Email,SKU,Qty,Price,Item status\n" + "".join(lines)})
    )
    assert (found["total_revenue"], found["returned_amount"]) == ("30.00", "10.00")


@pytest.mark.parametrize(
    ("column", "more"),
    [
        ("Refunded amount", "2,2024-01-14,b@x.com,S1,1,10.00,Refunded,10.00\n"),
        ("Note", "2,2024-01-14,b@x.com,S1,-1,10.00,Refunded,\n"),
    ],
)
def test_a_status_does_not_count_what_was_given_back_again(tmp_path: Path, column: str, more: str) -> None:
    lines = "1,2024-01-13,a@x.com,S1,1,10.00,Paid,\n2,2024-01-14,b@x.com,S1,1,10.00,Refunded,\n"
    found = figures(
        adopted(tmp_path, {"orders.csv": f"Order,Date,Email,SKU,Qty,Price,Status,{column}\n{lines}{more}"})
    )
    assert found["returned_amount"] == "10.00"


def test_net_sales_after_returns_are_not_what_was_sold(tmp_path: Path) -> None:
    content = (
        "Day,Order,Customer email,Product title,Gross sales,Discounts,Returns,Net sales\n"
        "2024-01-13,1,a@x.com,Cup,20.00,-2.00,0.00,18.00\n2024-01-13,1,a@x.com,Pot,10.00,0.00,-10.00,0.00\n"
        "2024-01-14,2,b@x.com,Cup,10.00,0.00,-4.00,6.00\n"
    )
    found = figures(adopted(tmp_path, {"orders.csv": content}))
    assert (found["total_revenue"], found["returned_amount"], found["net_revenue"]) == (
        "38.00",
        "14.00",
        "24.00",
    )


def test_amounts_without_a_decimal_sign_may_be_cents(tmp_path: Path) -> None:
    content = "Order,Date,Amount\n" + "".join(
        f"{n},2024-01-13,{amount}\n" for n, amount in enumerate((1099, 250, 500))
    )
    assert "they may be cents" in asked(adopted(tmp_path / "a", {"orders.csv": content}))
    assert "cents" not in asked(adopted(tmp_path / "b", {"orders.csv": content.replace("1099", "10.99")}))


def test_amounts_may_be_objects_with_their_currency(tmp_path: Path) -> None:
    line = '{"sku": "S1", "qty": 2, "unit_price": {"amount": "10.00", "currency": "EUR"}}'
    total = '{"amount": "20.00", "currency": "EUR"}'
    content = "".join(
        f'{{"id": {n}, "created_at": "2024-01-13", "lines": [{line}], "total": {total}}}\n' for n in (1, 2, 3)
    )
    found = figures(adopted(tmp_path, {"orders.jsonl": content}))
    assert (found["total_revenue"], found["currency"]) == ("60.00", "EUR")


def test_types_of_lines_in_json_say_what_is_no_goods(tmp_path: Path) -> None:
    def line(kind: str, price: str) -> dict[str, object]:
        return {"type": kind, "label": kind, "quantity": 1, "unitPrice": price, "totalPrice": price}

    orders = [
        {
            "orderNumber": str(n),
            "orderDate": f"2024-01-1{n}",
            "amountTotal": "23.00",
            "currency": {"isoCode": "EUR"},
            "lineItems": [line("product", "20.00"), line("promotion", "-2.00"), line("shipping", "5.00")],
        }
        for n in (1, 2, 3)
    ]
    content = json.dumps({"meta": {"count": 3, "page": "1"}, "data": {"orders": orders}})
    found = adopted(tmp_path, {"orders.json": content})
    assert {kind.kind: kind.records for kind in found.summary.kinds} == {
        "sale": 3,
        "discount": 3,
        "shipping": 3,
    }
    assert (figures(found)["total_revenue"], figures(found)["currency"]) == ("54.00", "EUR")


def test_files_without_records_are_refused_as_that(tmp_path: Path) -> None:
    header = ORDERS.splitlines()[0]
    assert refusal(tmp_path, {"a.csv": header}).startswith("the files have headers and no records")


def test_a_file_that_is_refused_is_told_what_it_lacks(tmp_path: Path) -> None:
    content = "Order,Amount in points,Place\n1,10,Berlin\n2,10,Bonn\n"
    assert refusal(tmp_path, {"points.csv": content}).endswith(
        "points.csv: no order lines: no column is a day and none a price or an amount"
    )
