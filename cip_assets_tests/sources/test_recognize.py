"""What the columns of an export mean: proved by the contents, chosen by the name, asked, or unknown."""

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
        (("1/2/2024", "1/15/2024"), "mdy", "proved"),
        (("01.02.2024", "15.02.2024"), "dmy", "proved"),
    ],
)
def test_one_value_can_prove_the_order_of_day_and_month(
    days: tuple[str, str], order: str, state: str
) -> None:
    found = proposed(*(f"{n} | {day} | ann | P1 | 1 | 5.00 |" for n, day in enumerate(days)))
    assert (found.layout.date_order, finding(found, "date").state) == (order, state)


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
    of_lines = proposed("1 | 2024-01-15 | P1 | 1 | 5.00", "2 | 2024-01-15 | P1 | 3 | 15.00", header=AMOUNT)
    assert (of_lines.layout.fields["line_total"], finding(of_lines, "line_total").state) == (
        ("Amount",),
        "proved",
    )
    of_units = proposed("1 | 2024-01-15 | P1 | 1 | 5.00", "2 | 2024-01-15 | P1 | 3 | 5.00", header=AMOUNT)
    assert (of_units.layout.fields["unit_price"], finding(of_units, "unit_price").state) == (
        ("Amount",),
        "proved",
    )
    open_ = proposed("1 | 2024-01-15 | P1 | 1 | 5.00", "2 | 2024-01-15 | P2 | 3 | 7.00", header=AMOUNT)
    assert finding(open_, "line_total").state == "asked"


BOTH = ("Order", "Date", "Item", "Qty", "Unit price", "Total")


def test_a_total_is_used_only_if_it_is_that_of_the_line() -> None:
    lines = proposed(*(f"{n} | 2024-01-15 | P1 | {n} | 5.00 | {5 * n}.00" for n in range(1, 5)), header=BOTH)
    assert finding(lines, "line_total").state == "proved"
    assert "unit_price" not in lines.layout.fields
    orders = proposed(*(f"1 | 2024-01-15 | P1 | {n} | 5.00 | 50.00" for n in range(1, 5)), header=BOTH)
    assert finding(orders, "unit_price").state == "asked"
    assert "line_total" not in orders.layout.fields


def test_the_decimal_sign_is_that_of_most_amounts() -> None:
    comma = proposed(
        "1 | 15.01.2024 | ann | P1 | 1 | 1.234,56 € |", "2 | 15.01.2024 | ann | P1 | 1 | 9,90 € |"
    )
    assert comma.layout.decimal == ","
    assert proposed("1 | 2024-01-15 | ann | P1 | 1 | 1,250.00 |").layout.decimal == "."


def test_an_email_address_comes_before_an_account() -> None:
    header = ("Order", "Date", "Customer ID", "Billing email", "Price")
    found = proposed("1 | 2024-01-15 | 0 | ann@example.org | 5.00", header=header)
    assert found.layout.fields["customer_id"] == ("Billing email", "Customer ID")


def test_orders_that_do_not_count_and_total_lines_get_rules() -> None:
    found = proposed(
        "1 | 2024-01-15 | ann | P1 | 1 | 5.00 | Complete",
        "2 | 2024-01-15 | ann | P1 | 1 | 5.00 | Cancelled",
        "3 | 2024-01-15 | ann | P1 | 1 | 5.00 | on-hold",
        "4 | 2024-01-15 | ann | Discount | | -1.00 | Complete",
        "5 | 2024-01-15 | ann | P1 | 1 | 5.00 | Complete",
        " | Total | | | | 19.00 |",
    )
    assert {(rule.kind, rule.when) for rule in found.layout.kinds} == {
        ("summary", "order_id IS NULL AND record['Order Date'] = 'Total'"),
        ("cancelled", "record['Status'] = 'Cancelled'"),
        ("awaiting_payment", "record['Status'] = 'on-hold'"),
        ("discount", "record['SKU'] = 'Discount'"),
    }
    asked = {found.values for found in found.findings if found.state == "asked" and found.field == "kind"}
    assert asked == {("Cancelled",), ("on-hold",), ("Discount",)}


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
