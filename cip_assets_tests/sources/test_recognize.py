"""What the columns of an export mean: proved by the contents, chosen by the name, asked, or unknown."""

from collections.abc import Sequence

import pytest

from cip_assets.sources.recognize import Finding, Proposal, presets, propose

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


@pytest.mark.parametrize("text", ["0.20", "20 %"])
def test_a_discount_that_is_a_share_is_not_used(text: str) -> None:
    header = ("Order", "Date", "Qty", "Price", "Discount")
    found = proposed(f"1 | 2024-01-15 | 1 | 5.00 | {text}", header=header)
    assert (finding(found, "discount").state, "discount" in found.layout.fields) == ("asked", False)


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


def test_what_cannot_be_read_record_by_record_stops() -> None:
    header = ("Order", "Date", "Price", "Currency")
    (currencies,) = proposed(
        "1 | 2024-01-15 | 5.00 | EUR", "2 | 2024-01-15 | 5.00 | USD", header=header
    ).stops
    assert currencies.startswith("the amounts are in several currencies (EUR, USD), and there are no rates")
    (signs,) = proposed("1 | 2024-01-15 | € 5.00 |", "2 | 2024-01-15 | $ 5.00 |", header=header).stops
    assert "($, €)" in signs
    header = ("Order", "Date", "Price", "lines")
    (nested,) = proposed('1 | 2024-01-15 | 5.00 | [{"sku": "P1"}]', header=header).stops
    assert nested.startswith("lines holds lists of records")
    header = ("Order", "Date", "Price", "Paid by", "Total paid")
    (once,) = proposed("1 | 2024-01-15 | 5.00 | ann | 9.00", "1 | 2024-01-15 | 4.00 | |", header=header).stops
    assert once.startswith("Paid by, Total paid stand only on the first record of an order")


def test_a_file_without_order_lines_is_not_adopted() -> None:
    assert (
        propose(
            ("Id", "Subject", "Created at"),
            rows("1 | Hello | 2024-01-15", header=("Id", "Subject", "Created at")),
        )
        is None
    )


@pytest.mark.parametrize("name", presets())
def test_a_preset_is_recognized_by_its_header(name: str) -> None:
    preset = presets()[name]
    header = tuple(reversed(preset.header))
    values = {"order_id": "536365", "date": "1/15/2011 8:26", "quantity": "6", "unit_price": "2,55"}
    row = {column: values.get(key, "x") for key, columns in preset.fields.items() for column in columns}
    found = propose(header, [row])
    assert found is not None
    assert found.layout.fields == preset.fields
    assert found.layout.kinds == preset.kinds
    assert (found.layout.date_order, found.layout.decimal) == ("mdy", ",")
