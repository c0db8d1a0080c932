"""What the columns of an export mean: proved by the contents, chosen by the name, asked, or unknown."""

from collections.abc import Sequence

import pytest

from cip_assets.sources.recognize import Finding, Proposal, propose

HEADER = ("Order #", "Order Date", "Customer", "SKU", "Qty", "Price", "Status")


def rows(*lines: str, header: tuple[str, ...] = HEADER) -> list[dict[str, str]]:
    """Records, one per text with values between bars; a blank value is left out."""
    cells = ([cell.strip() for cell in line.split("|")] for line in lines)
    return [{name: cell for name, cell in zip(header, found, strict=True) if cell} for found in cells]


def proposed(*lines: str, header: tuple[str, ...] = HEADER) -> Proposal:
    found = propose(header, rows(*lines, header=header))
    assert found is not None
    return found


def finding(proposal: Proposal, field: str) -> Finding:
    return next(found for found in proposal.findings if found.field == field)


def test_columns_are_found_by_their_names() -> None:
    found = proposed("1 | 2024-01-15 | ann | P1 | 1 | 5.00 | Paid")
    assert dict(found.layout.fields) == {
        "order_id": ("Order #",),
        "customer_id": ("Customer",),
        "product_id": ("SKU",),
        "quantity": ("Qty",),
        "unit_price": ("Price",),
        "date": ("Order Date",),
    }
    assert finding(found, "order_id").state == "chosen"
    assert finding(found, "category").state == "unknown"
    assert found.stops == ()


def test_a_column_whose_contents_do_not_fit_is_not_taken() -> None:
    header = ("Order", "Date", "Ordered at", "Price")
    found = proposed("1 | soon | 2024-01-15 | 5.00", "2 | later | 2024-01-16 | 5.00", header=header)
    assert found.layout.fields["date"] == ("Ordered at",)


@pytest.mark.parametrize(
    ("days", "order", "state"),
    [
        (("2024-01-05", "2024-01-06"), "ymd", "proved"),
        (("1/2/2024", "1/15/2024", "1/16/2024"), "mdy", "proved"),
        (("01.02.2024", "15.02.2024"), "dmy", "asked"),
    ],
)
def test_days_above_12_tell_the_order_of_day_and_month(days: Sequence[str], order: str, state: str) -> None:
    found = proposed(*(f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days)))
    assert (found.layout.date_order, finding(found, "date").state) == (order, state)


def test_dates_in_two_orders_stop() -> None:
    days = ["13/05/2024", "05/14/2024", "01/02/2024"]
    (stop,) = proposed(*(f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days))).stops
    assert stop.startswith("Order Date: 05/14/2024 and 13/05/2024 are in different orders")


def test_dates_that_allow_both_orders_are_asked_and_a_person_can_answer() -> None:
    lines = ("1 | 03/04/2024 | ann | P1 | 1 | 5.00 |", "2 | 05/06/2024 | ann | P1 | 1 | 5.00 |")
    (stop,) = proposed(*lines).stops
    assert stop == (
        "Order Date: mdy and dmy fit every date; say which with --date-order dmy or --date-order mdy"
    )
    answered = propose(HEADER, rows(*lines), "dmy")
    assert answered is not None
    assert (answered.layout.date_order, answered.stops) == ("dmy", ())


def test_a_date_that_does_not_exist_does_not_matter() -> None:
    days = ["12/31/2023", "1/2/2024", "1/15/2024", "2/30/2024"]
    assert (
        proposed(*(f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days))).layout.date_order
        == "mdy"
    )


AMOUNT = ("Order", "Date", "Item", "Qty", "Amount")


def test_the_arithmetic_tells_the_price_of_a_unit_from_the_amount_of_a_line() -> None:
    lines = [f"{n} | 2024-01-15 | P{n % 3} | {n} | {5 * n}.00" for n in range(1, 20)]
    of_lines = proposed(*lines, " | 2024-01-15 | | 190 | 950.00", header=AMOUNT)  # the last one is a total
    assert of_lines.layout.fields["line_total"] == ("Amount",)
    assert finding(of_lines, "line_total").state == "proved"
    of_units = proposed("1 | 2024-01-15 | P1 | 1 | 5.00", "2 | 2024-01-15 | P1 | 3 | 5.00", header=AMOUNT)
    assert of_units.layout.fields["unit_price"] == ("Amount",)
    assert finding(of_units, "unit_price").state == "asked"  # one pair is no proof
    open_ = proposed("1 | 2024-01-15 | P1 | 1 | 5.00", "2 | 2024-01-15 | P2 | 3 | 7.00", header=AMOUNT)
    assert finding(open_, "line_total").state == "asked"


BOTH = ("Order", "Date", "Item", "Qty", "Unit price", "Total")


@pytest.mark.parametrize(
    ("totals", "field", "state"),
    [
        (["5.00", "10.00", "15.00"], "line_total", "proved"),
        (["5.00", "10.00", "14.00"], "line_total", "asked"),  # the last one has a discount
        (["5.00", "25.00", "25.00"], "unit_price", "asked"),  # the last two have the order's total
    ],
)
def test_a_total_is_used_only_if_it_can_be_that_of_the_line(
    totals: list[str], field: str, state: str
) -> None:
    lines = [f"{n} | 2024-01-15 | P1 | {n} | 5.00 | {total}" for n, total in enumerate(totals, 1)]
    found = proposed(*lines, header=BOTH)
    assert finding(found, field).state == state
    assert len({"unit_price", "line_total"} & found.layout.fields.keys()) == 1


def test_a_total_on_every_record_of_an_order_stops() -> None:
    header = ("Order", "Date", "Total")
    lines = [f"{n // 2} | 2024-01-15 | {30 + n // 2}.00" for n in range(6)]
    (stop,) = proposed(*lines, header=header).stops
    assert stop.startswith("Total is the same on all records of an order")


def test_a_second_column_with_such_a_name_is_asked() -> None:
    header = ("Order", "Invoice date", "Order date", "Total")
    found = finding(proposed("1 | 2024-02-01 | 2024-01-15 | 5.00", header=header), "date")
    assert (found.columns, found.state) == (("Order date",), "asked")
    assert found.why.endswith("Invoice date could be it too")


def test_a_price_without_a_quantity_is_asked() -> None:
    header = ("Order", "Date", "Price", "Number of items")
    assert finding(proposed("1 | 2024-01-15 | 5.00 | 3", header=header), "unit_price").state == "asked"


def test_a_discount_that_is_never_more_than_1_is_a_share_of_a_price() -> None:
    header = ("Order", "Date", "Qty", "Price", "Discount")
    found = proposed("1 | 2024-01-15 | 1 | 5.00 | 0.20", header=header)
    assert (finding(found, "discount_share").state, found.layout.fields["discount_share"]) == (
        "asked",
        ("Discount",),
    )
    of_lines = proposed(
        "1 | 2024-01-15 | 1 | 4.00 | 0.20", header=("Order", "Date", "Qty", "Amount", "Discount")
    )
    assert finding(of_lines, "discount").why == "Discount is taken as already in the amount"
    assert not {"discount", "discount_share"} & of_lines.layout.fields.keys()


def test_the_decimal_sign_is_that_of_most_amounts() -> None:
    comma = proposed(
        "1 | 15.01.2024 | ann | P1 | 1 | 1.234,56 € |", "2 | 15.01.2024 | ann | P1 | 1 | 9,90 € |"
    )
    assert comma.layout.decimal == ","
    assert proposed("1 | 2024-01-15 | ann | P1 | 1 | 1,250.00 |").layout.decimal == "."


def test_an_email_address_comes_before_an_account_unless_each_account_has_one() -> None:
    header = ("Order", "Date", "Customer ID", "Billing email", "Price")
    one = ("1 | 2024-01-15 | 7 | ann@example.org | 5.00", "2 | 2024-01-15 | 8 | | 5.00")
    assert proposed(*one, header=header).layout.fields["customer_id"] == ("Customer ID", "Billing email")
    two = (*one, "3 | 2024-01-15 | 9 | Ann@example.org | 5.00")
    assert proposed(*two, header=header).layout.fields["customer_id"] == ("Billing email", "Customer ID")


def test_amounts_that_may_be_thousands_are_asked() -> None:
    header = ("Order", "Date", "Total")
    asked = proposed("1 | 2024-01-15 | 1.250 €", "2 | 2024-01-15 | 990 €", header=header)
    assert finding(asked, "decimal").state == "asked"
    assert finding(proposed("1 | 2024-01-15 | 1.250,00 €", header=header), "decimal").state == "proved"


def test_what_each_status_is_taken_as_is_asked_and_total_lines_get_a_rule() -> None:
    found = proposed(
        "1 | 2024-01-15 | ann | P1 | 1 | 5.00 | Complete",
        "2 | 2024-01-15 | ann | P1 | 1 | 5.00 | Cancelled",
        "3 | 2024-01-15 | ann | P1 | 1 | 5.00 | on-hold",
        "4 | 2024-01-15 | ann | Discount | | -1.00 | Complete",
        "5 | 2024-01-15 | ann | P1 | 1 | 5.00 | devuelto",
        "6 | 2024-01-15 | ann | P1 | 1 | 5.00 | Complete",
        " | Total | | | | 19.00 |",
    )
    rules = {(rule.kind, rule.when) for rule in found.layout.kinds}
    assert ("summary", "order_id IS NULL AND record['Order Date'] = 'Total'") in rules
    asked = {found.why for found in found.findings if found.state == "asked" and found.field == "kind"}
    assert asked == {
        "'Cancelled' is taken as cancelled",
        "'on-hold' is taken as awaiting_payment",
        "'Discount' is taken as discount",
        "'devuelto' counts as a sale",
    }


def test_a_total_of_the_order_on_each_record_stops() -> None:
    header = ("Order", "Date", "Product", "Total")
    (stop,) = proposed(
        "1 | 2024-01-15 | P1 | 9.00",
        "1 | 2024-01-15 | P2 | 9.00",
        "2 | 2024-01-15 | P1 | 5.00",
        "2 | 2024-01-15 | P3 | 5.00",
        header=header,
    ).stops
    assert stop.startswith("Total is the same on all records of an order, so it seems to be the order's")


def test_what_only_the_first_record_of_an_order_says_holds_for_all() -> None:
    header = ("Order", "Date", "Price", "Qty", "Status", "Total")
    found = proposed(
        "1 | 2024-01-15 | 5.00 | 1 | Cancelled | 13.00", "1 | 2024-01-15 | 4.00 | 2 | |", header=header
    )
    assert found.layout.records is not None
    assert 'first_value("Status" IGNORE NULLS) OVER whole AS "Status"' in found.layout.records.sql


def test_each_line_in_a_list_is_a_record() -> None:
    lines = '[{"sku": "P1", "qty": 2, "price": 4.5}, {"sku": "P2", "qty": 1, "price": 1}]'
    refunds = '[{"amount": 4.5, "state": "done"}, {"amount": 1, "state": "failed"}]'
    row = {"number": "A1", "placed": "2024-05-01", "lines": lines, "refunds": refunds}
    found = propose(("number", "placed", "lines", "refunds"), [{**row, "orderNumber": "A1"}])
    assert found is None  # no column of the header names the order
    row = {"orderNumber": "A1", "placed": "2024-05-01", "lines": lines, "refunds": refunds}
    found = propose(tuple(row), [row])
    assert found is not None
    assert dict(found.layout.fields) == {
        "order_id": ("orderNumber",),
        "product_id": ("item.sku",),
        "quantity": ("item.qty",),
        "unit_price": ("item.price",),
        "order_refunded": ("refunds.amount",),
        "date": ("placed",),
    }


ORDERS = (
    "1 | 2024-01-15 | P1 | 2 | 5.00 | 1.00 | 3.00 | 12.00",
    "2 | 2024-01-15 | P1 | 1 | 5.00 | 0.00 | 3.00 | 8.00",
    "3 | 2024-01-16 | P2 | 3 | 2.00 | 0.50 | 0.00 | 5.50",
)


def test_the_arithmetic_of_orders_proves_the_reading() -> None:
    header = ("Order", "Date", "Product", "Qty", "Amount", "Discount", "Postage", "Paid")
    found = proposed(*ORDERS, header=header)
    fields = {name: columns[0] for name, columns in found.layout.fields.items()}
    assert (fields["unit_price"], fields["shipping"], fields["charged"]) == ("Amount", "Postage", "Paid")
    assert finding(found, "charged").state == "proved"
    assert "is Paid in 3 of 3 orders" in finding(found, "charged").why
    # The same amounts as those of whole lines.
    lines = [order.replace("2 | 5.00", "2 | 10.00").replace("3 | 2.00", "3 | 6.00") for order in ORDERS]
    found = proposed(*lines, header=header)
    assert found.layout.fields["line_total"] == ("Amount",)


def test_a_total_that_does_not_add_up_is_unknown() -> None:
    header = ("Order", "Date", "Product", "Qty", "Amount", "Discount", "Postage", "Paid")
    found = proposed(*(order.rsplit("|", 1)[0] + "| 7.77" for order in ORDERS), header=header)
    assert "charged" not in found.layout.fields
    assert finding(found, "charged").state == "unknown"


def test_a_flag_of_test_orders_and_a_state_of_the_order_are_used() -> None:
    header = ("Order", "Date", "Price", "State", "Is test", "Fulfillment status")
    found = proposed(
        "1 | 2024-01-15 | 5.00 | Paid | false | pending",
        "2 | 2024-01-15 | 5.00 | Cancelled | true | pending",
        header=header,
    )
    rules = {(rule.kind, rule.when) for rule in found.layout.kinds}
    assert any(
        kind == "test" and when.startswith("lower(record['Is test']) IN ('true',") for kind, when in rules
    )
    assert not any(kind == "awaiting_payment" and "Fulfillment" in when for kind, when in rules)
    assert any(kind == "cancelled" and "State" in when for kind, when in rules)


def test_a_file_without_order_lines_is_not_adopted() -> None:
    assert (
        propose(
            ("Id", "Subject", "Created at"),
            rows("1 | Hello | 2024-01-15", header=("Id", "Subject", "Created at")),
        )
        is None
    )


@pytest.mark.parametrize(
    "header",
    [
        "Date de commande | N° de commande | N° client | Référence | Quantité | Prix unitaire TTC | Statut",
        "Fecha de pedido | Nº de pedido | Nº cliente | Referencia | Cantidad | Precio unitario | Estado",
        "Data d'ordine | Numero ordine | Codice cliente | Codice articolo | Quantità | Prezzo unitario | Stato",
        "Data do pedido | Número do pedido | Código do cliente | Código do produto | Quantidade | Preço | Situação",
        "Orderdatum | Ordernummer | Kundnummer | Artikelnummer | Antal | Pris inkl. moms | Status",
        "Bestelldatum | Bestell-Nr. | Kunden-Nr. | Artikel-Nr. | Menge | Einzelpreis brutto | Status",
    ],
)
def test_columns_are_found_in_several_languages(header: str) -> None:
    columns = tuple(header.split(" | "))
    found = proposed("2024-01-15 | B1 | 7 | P1 | 1 | 5.00 | Annullato", header=columns)
    names = ("date", "order_id", "customer_id", "product_id", "quantity", "unit_price")
    assert tuple(found.layout.fields[name] for name in names) == tuple((column,) for column in columns[:-1])
    assert finding(found, "kind").why == "'Annullato' is taken as cancelled"


def test_the_name_of_a_column_may_say_the_currency() -> None:
    header = ("Order", "Date", "Amount (EUR)")
    assert proposed("1 | 2024-01-15 | 5.00", header=header).layout.currency == "EUR"


@pytest.mark.parametrize(
    ("currency", "column", "field"),
    [("EUR", "Amount EUR", "Currency"), ("USD", "Amount USD", "Currency"), ("GBP", "Amount EUR", None)],
)
def test_of_amounts_in_two_currencies_that_of_the_export_is_taken_and_asked(
    currency: str, column: str, field: str | None
) -> None:
    header = ("Order", "Date", "Amount EUR", "Amount USD", "Currency")
    found = proposed(f"1 | 2024-01-15 | 5.00 | 6.00 | {currency}", header=header)
    assert found.layout.fields["line_total"] == (column,)
    assert finding(found, "line_total").state == "asked"
    assert finding(found, "line_total").why.endswith("could be it too")
    assert found.layout.fields.get("currency") == ((field,) if field else None)
    assert (finding(found, "currency").state == "asked") == (field is None)


def test_an_amount_with_tax_and_without_is_asked() -> None:
    header = ("Order", "Date", "Qty", "Preis netto", "Preis brutto")
    found = finding(proposed("1 | 2024-01-15 | 1 | 5.00 | 5.95", header=header), "unit_price")
    assert (found.columns, found.state) == (("Preis netto",), "asked")
    assert found.why.endswith("Preis brutto could be it too")


def test_a_price_without_tax_may_be_rounded() -> None:
    lines = ["1 | 2024-01-15 | P1 | 3 | 0.34 | 1.01", "2 | 2024-01-15 | P2 | 1 | 5.00 | 5.00"]
    assert finding(proposed(*lines, header=BOTH), "line_total").state == "proved"


def test_buyers_who_are_known_by_their_name_alone_are_asked() -> None:
    header = ("Order", "Date", "Customer name", "Total")
    found = finding(proposed("1 | 2024-01-15 | Ann Lee | 5.00", header=header), "customer_id")
    assert (found.columns, found.state) == (("Customer name",), "asked")


def test_a_year_in_front_is_read_beside_days_in_another_order() -> None:
    days = ["13/05/2024", "14/05/2024", "2024-05-15", "01/06/2024"]
    assert (
        proposed(*(f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days))).layout.date_order
        == "dmy"
    )


def test_days_that_a_spreadsheet_has_read_as_months_stop() -> None:
    days = ["13/05/2024", "14/05/2024", "15/05/2024", "2024-01-05", "2024-02-05", "2024-03-05"]
    lines = [f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days)]
    (stop,) = proposed(*lines).stops
    assert "a spreadsheet seems to have swapped day and month" in stop
    assert proposed(*lines, "9 | 2024-03-15 | ann | P1 | 1 | 5.00 |").stops == ()


def test_an_address_is_the_buyer_by_whatever_name() -> None:
    header = ("Order", "Date", "Sales agent", "Correo", "Total")
    found = proposed("1 | 2024-01-15 | a@shop.com | ann@x.com | 5.00", "2 | 2024-01-15 | b@shop.com | bob@x.com | 5.00",
                     header=header)  # fmt: skip
    assert found.layout.fields["customer_id"] == ("Correo",)
    assert finding(found, "customer_id").why == "its texts are email addresses"


def test_a_discount_that_is_not_used_is_asked() -> None:
    header = ("Order", "Date", "SKU", "Qty", "Price", "Discount amount")
    lines = ["1 | 2024-01-15 | P1 | 1 | 5.00 | 1.00", "1 | 2024-01-15 | P2 | 2 | 5.00 | 1.00"]
    asked = [found.why for found in proposed(*lines, header=header).findings if found.field == "discount"]
    assert asked[-1] == "it says something of what was taken off, and is not used"
