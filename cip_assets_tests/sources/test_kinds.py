"""What a record is, by the columns that say so: each value is a kind, or counts as a sale and is asked, or just counts."""

import duckdb
import pytest

from cip_assets.sources import texts
from cip_assets.sources.kinds import kinds_of


def kind_of(column: str, value: str, *others: str) -> tuple[str, bool]:
    """What a record with a value in a column is, and whether that is asked; others are values of other records."""
    rows = [{"order": str(place), column: text} for place, text in enumerate((value, *others))]
    kinds, findings = kinds_of({"order_id": "order"}, ["order", column], rows)
    with duckdb.connect() as connection:
        connection.execute(texts.MACROS)
        for rule in kinds:
            sql = f"SELECT {rule.when} FROM (SELECT $1 AS order_id, MAP {{$2: $3}} AS record, 1 AS amount)"
            if connection.execute(sql, ["1", column, value]).fetchall() == [(True,)]:
                return rule.kind, any(value in found.values for found in findings)
    return "sale", any(value in found.values for found in findings)


@pytest.mark.parametrize(
    ("value", "kind", "is_asked"),
    [
        ("Paid", "sale", False),
        ("Not paid", "awaiting_payment", True),
        ("nicht bezahlt", "awaiting_payment", True),
        ("unbezahlt", "awaiting_payment", True),
        ("Incomplete", "awaiting_payment", True),
        ("Abandoned", "awaiting_payment", True),
        ("En attente", "awaiting_payment", True),
        ("Unsuccessful", "failed", True),
        ("Échouée", "failed", True),
        ("Annulée", "cancelled", True),
        ("Anulado", "cancelled", True),
        ("Livrée", "sale", False),
        ("Order refunded", "refunded", True),
        ("Remboursée", "refunded", True),
        ("Partially refunded", "partly_refunded", True),
        ("Teilweise erstattet", "partly_refunded", True),
        ("Refund requested", "sale", True),
        ("Return processed", "sale", True),
        ("Undelivered", "sale", True),
        ("Invoiced", "sale", False),
    ],
)
def test_a_status_counts_unasked_only_if_it_plainly_says_so(value: str, kind: str, is_asked: bool) -> None:
    assert kind_of("Status", value) == (kind, is_asked)


@pytest.mark.parametrize("column", ["Document Type", "Belegart", "Vorgang", "Kind of record"])
@pytest.mark.parametrize("value", ["Credit memo", "Gutschrift", "Refund"])
def test_a_document_that_gives_back_is_a_return(column: str, value: str) -> None:
    assert kind_of(column, value, "Invoice") == ("return", True)


@pytest.mark.parametrize("column", ["État", "Fase", "Stand"])
def test_a_column_is_a_status_by_what_it_says(column: str) -> None:
    assert kind_of(column, "Annulé", "Payé") == ("cancelled", True)
    assert kind_of(column, "Payé", "Annulé")[0] == "sale"


@pytest.mark.parametrize("column", ["Payment type", "Return reason", "Country"])
def test_a_column_that_says_something_else_makes_no_kind(column: str) -> None:
    assert kind_of(column, "Credit", "Gutschrift", "Returned") == ("sale", False)


@pytest.mark.parametrize(
    ("column", "yes", "no", "kind"),
    [
        ("Cancelled", "Yes", "No", "cancelled"),
        ("is_canceled", "true", "false", "cancelled"),
        ("Storno", "1", "0", "cancelled"),
        ("is_deleted", "t", "f", "deleted"),
        ("Paid", "nein", "ja", "awaiting_payment"),
        ("deleted_at", "2024-01-20 10:00:00", "0000-00-00 00:00:00", "deleted"),
        ("Storniert am", "20.01.2024", "", "cancelled"),
    ],
)
def test_a_column_may_say_yes_or_no_or_a_day(column: str, yes: str, no: str, kind: str) -> None:
    assert kind_of(column, yes, no)[0] == kind
    assert kind_of(column, no, yes)[0] == "sale"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Shipping", "shipping"),
        ("Order total", "summary"),
        ("Zwischensumme", "summary"),
        ("Total station", "sale"),
        ("Gift card", "gift_card"),
        ("Tip", "fee"),
        ("Tipi tent", "sale"),
        ("Flaschenpfand", "fee"),
        ("Pfand 0,25", "fee"),
        ("Deposit", "adjustment"),
        ("Deposit for order 12", "adjustment"),
        ("Deposit box", "sale"),
        ("Anzahlung 50%", "adjustment"),
    ],
)
def test_what_is_no_product_by_its_name_is_asked(name: str, kind: str) -> None:
    rows = [{"order": "1", "product": name}]
    kinds, findings = kinds_of({"order_id": "order", "product_name": "product"}, ["order", "product"], rows)
    with duckdb.connect() as connection:
        found = [
            rule.kind
            for rule in kinds
            if connection.execute(
                f"SELECT {rule.when} FROM (SELECT '1' AS order_id, MAP {{'product': $1}} AS record, 1 AS amount)",
                [name],
            ).fetchall()
            == [(True,)]
        ]
    assert (found or ["sale"])[0] == kind
    assert any(name in finding.values for finding in findings) == (kind != "sale")


def test_the_type_of_a_line_says_more_than_that_of_an_order() -> None:
    assert kind_of("Line type", "Shipping", "Product")[0] == "shipping"
    assert kind_of("Order type", "Shipping", "Pickup")[0] == "sale"
