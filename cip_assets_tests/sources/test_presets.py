"""Known exports: their files are told by their headers, also in older and newer versions, and become the right figures."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import Adopted, Answers, adopt
from cip_assets.sources.config import Export, Sources
from cip_assets.sources.convert import Summary, look_at
from cip_assets.sources.presets import Preset, layout_for, presets


def adopted(folder: Path, answers: Answers | None = None, /, **files: str) -> Adopted:
    """What adopt finds in files of these contents; ``__`` in a name is a dot."""
    exports = folder / "exports"
    exports.mkdir(exist_ok=True)
    for name, content in files.items():
        (exports / name.replace("__", ".")).write_text(content, encoding="utf-8")
    return adopt([exports], folder / "data", answers or Answers())


def kinds(summary: Summary) -> dict[str, int]:
    return {found.kind: found.records for found in summary.kinds}


def rows(*lines: str, by: str = ",") -> str:
    """Lines whose fields are given with blanks between them, ``-`` for an empty one and ``~`` for a blank."""
    fields = (["" if field == "-" else field.replace("~", " ") for field in line.split()] for line in lines)
    return "".join(by.join(found) + "\n" for found in fields)


# --- how files are told ---------------------------------------------------------------------------------------


def test_layouts_of_one_name_are_versions_of_a_file() -> None:
    preset = Preset.model_validate(
        {
            "about": "Orders",
            "layouts": [
                {"name": "a", "has": ["Old"]},
                {"name": "a", "has": ["New"], "lacks": ["Date"]},
                {"name": "b", "has": ["X"], "is_optional": True},
            ],
        }
    )

    assert preset.match([["old", "More"]], is_adopted=False) == {0: 0}
    assert preset.match([["Other"], ["NEW"], ["x"]], is_adopted=False) == {1: 1, 2: 2}
    assert preset.match([["New", "date"], ["X"]], is_adopted=False) is None


@pytest.mark.parametrize("name", [name for name, preset in presets().items() if not preset.refused])
def test_a_preset_reads_files_with_only_the_columns_that_it_asks_for(tmp_path: Path, name: str) -> None:
    layouts = presets()[name].layouts
    for place, layout in enumerate(layouts):
        text = f"{','.join(layout.has)}\n{','.join('7' for _ in layout.has)}\n"
        (tmp_path / f"{place}.csv").write_text(text, encoding="utf-8")
    export = Export(
        files=("*.csv",), layouts=tuple(layout_for(name, own, own.has, "ymd", ".") for own in layouts)
    )

    found = look_at(Sources(first_month=date(2024, 1, 1), exports=(export,)), tmp_path)

    assert found.records >= len(layouts)


# --- marketplaces ---------------------------------------------------------------------------------------------

AMAZON = (
    "amazon-order-id purchase-date last-updated-date order-status sales-channel item-status quantity currency "
    "item-price item-tax shipping-price item-promotion-discount sku"
)


def test_tax_on_amazon_com_is_apart_and_a_newer_state_replaces_the_whole_order(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        all_2025_01_05__txt=rows(
            AMAZON,
            "1-1 2025-01-02T10:00:00+00:00 2025-01-03T10:00:00+00:00 Shipped Amazon.com Shipped 2 USD 20.00 1.60 - - A",
            "1-1 2025-01-02T10:00:00+00:00 2025-01-03T10:00:00+00:00 Shipped Amazon.com Shipped 1 USD 5.00 0.40 - - B",
            "1-2 2025-01-03T10:00:00+00:00 2025-01-03T11:00:00+00:00 Shipped Non-Amazon~US Shipped 1 - - - - - A",
            by="\t",
        ),
        all_2025_01_09__txt=rows(
            AMAZON,
            "1-1 2025-01-02T10:00:00+00:00 2025-01-08T10:00:00+00:00 Shipped Amazon.com Shipped 2 USD 20.00 1.60 3.00 2.00 A",
            by="\t",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged) == (1, Decimal("18.00"), Decimal("22.60"))
    assert kinds(found) == {"sale": 1, "superseded": 2, "other_channel": 1}
    assert (found.buyers, found.guest_orders, found.refunded) == (None, None, None)


SETTLEMENT_V1 = (
    "settlement-id deposit-date total-amount currency transaction-type order-id posted-date order-item-code sku "
    "quantity-purchased price-type price-amount promotion-type promotion-amount other-amount"
)


def test_the_first_version_of_amazons_settlements_is_read(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        v1__txt=rows(
            SETTLEMENT_V1,
            "77 2015-12-18T03:27:08+00:00 24.00 EUR - - - - - - - - - - -",
            "77 - - - Order 1-1 2015-12-02T04:15:26+00:00 901 A 3 - - - - -",
            "77 - - - Order 1-1 2015-12-02T04:15:26+00:00 901 A - Principal 30.00 - - -",
            "77 - - - Order 1-1 2015-12-02T04:15:26+00:00 901 A - Shipping 4.00 - - -",
            "77 - - - Order 1-1 2015-12-02T04:15:26+00:00 901 A - - - Shipping -4.00 -",
            "77 - - - Refund 1-1 2015-12-09T04:15:26+00:00 901 A - Principal -6.00 - - -",
            "77 - - - Storage - 2015-12-10T04:15:26+00:00 - - - - - - - -1.00",
            by="\t",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged) == (1, Decimal("30.00"), Decimal("30.00"))
    assert (found.returned, found.refunded, found.currency) == (Decimal("6.00"), Decimal("6.00"), "EUR")


ETSY_ITEMS = "Sale~Date Item~Name Buyer Quantity Price Discount~Amount Item~Total Currency Transaction~ID Listing~ID Date~Paid Order~ID"
ETSY_ORDERS = (
    "Sale~Date Order~ID Buyer~User~ID Number~of~Items Order~Value Discount~Amount Shipping Sales~Tax Order~Total Status "
    "Adjusted~Order~Total"
)


def test_an_adjusted_total_of_0_that_all_etsy_orders_have_is_no_refund(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(
            ETSY_ITEMS,
            "01/13/25 Cup - 2 $9.00 0.00 $18.00 USD 71 501 01/13/2025 #31",
            "01/14/25 Cup Ann~(ann) 1 $9.00 0.00 $9.00 USD 72 501 01/14/2025 #32",
            "01/15/25 Cup Ann~(ann) 1 $9.00 0.00 $9.00 USD 73 501 - #33",
        ),
        orders__csv=rows(
            ETSY_ORDERS,
            "01/13/25 31 8801 2 $18.00 0.00 $2.00 0.00 $20.00 Completed 0.00",
            "01/14/25 32 ann 1 $9.00 0.00 0.00 0.00 $9.00 Fully~Refunded 0.00",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged) == (2, Decimal("27.00"), Decimal("29.00"))
    assert (found.buyers, found.refunded) == (2, Decimal("9.00"))
    assert kinds(found)["awaiting_payment"] == 1  # the orders file does not know it, and no day of payment


def test_etsys_orders_alone_have_one_line_each(tmp_path: Path) -> None:
    british = ETSY_ORDERS.replace(" Shipping", "").replace(
        "Status", "Status Currency Delivery Delivery~Discount"
    )
    found = adopted(
        tmp_path,
        orders__csv=rows(
            british,
            "01/13/25 31 8801 2 18.00 3.00 0.00 17.00 Completed GBP 2.50 0.50 -",
            "01/14/25 32 8801 1 9.00 0.00 0.00 9.00 Partially~Refunded GBP 0.00 0.00 5.00",
            "01/15/25 33 8802 1 9.00 0.00 0.00 9.00 Canceled GBP 0.00 0.00 -",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged) == (2, Decimal("24.00"), Decimal("26.00"))
    assert (found.refunded, found.currency) == (Decimal("4.00"), "GBP")
    assert (found.checked, found.reconciled) == (2, 2)


def test_etsys_items_alone_count_as_far_as_they_are_paid(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(
            ETSY_ITEMS,
            "01/13/25 Cup - 2 9.00 0.00 18.00 USD 71 501 01/13/2025 31",
            "01/15/25 Cup Ann_(ann) 1 9.00 0.00 9.00 USD 73 501 - 33",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged, found.refunded) == (1, Decimal("18.00"), None, None)


EBAY = (
    "Sales~record~number Order~number Buyer~username Item~number Item~title Quantity Sold~for Postage~and~packaging "
    "eBay~collected~tax eBay~Collected~Tax~Included~in~Total Total~price Sale~date Paid~on~date"
)


def test_ebay_in_british_words_and_with_a_footer_between_pasted_reports(tmp_path: Path) -> None:
    report = rows(
        EBAY,
        "7 1-7 ada - - 3 £13.00 £2.00 £1.00 No £15.00 02-Mar-25 02-Mar-25",
        "7 1-7 - 901 Cup 2 £5.00 - - - - 02-Mar-25 -",
        "7 1-7 - 902 Pot 1 £3.00 - - - - 02-Mar-25 -",
    )
    footer = '\n1,"record(s) downloaded, from 1 to 7"\n"Seller ID : shop"\n'
    other = rows("8 - ben 901 Cup 1 £5.00 £2.00 - - £7.00 03-Mar-25 -")

    found = adopted(tmp_path, orders__csv=report + footer + other + footer).summary

    assert (found.orders, found.sold, found.charged) == (1, Decimal("13.00"), Decimal("16.00"))
    assert (found.currency, found.buyers, str(found.first_day)) == ("GBP", 1, "2025-03-02")
    assert kinds(found) == {"sale": 2, "summary": 4, "not_used": 1, "awaiting_payment": 1}


# --- payments -------------------------------------------------------------------------------------------------

SQUARE_ITEMS = (
    "Date Time Time~Zone Item Qty Price~Point~Name Gross~Sales Discounts Net~Sales Tax Transaction~ID Payment~ID Event~Type "
    "Itemization~Type"
)
SQUARE_TRANSACTIONS = "Date Time Time~Zone Gross~Sales Net~Sales Gift~Card~Sales Tip Total~Collected Transaction~ID Payment~ID Event~Type Tax"
SALE = "01/13/25 10:00 UTC Tea 1.0 Regular $9.00 -$1.00 $8.00 $0.80 T1 P1 Payment Physical~Good"
CARD = "01/13/25 10:00 UTC Card 1.0 Regular $50.00 $0.00 $50.00 $0.00 T2 P2 Payment Gift~Card"
BACK = "01/20/25 10:00 UTC Tea -1.0 Regular -$8.00 $0.00 -$8.00 -$0.80 T1 P3 Refund Physical~Good"


def test_a_refund_of_square_does_not_replace_its_sale_and_gives_back_the_tip(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items_2025_01_14__csv=rows(SQUARE_ITEMS, SALE, CARD),
        items_2025_01_21__csv=rows(SQUARE_ITEMS, BACK),
        transactions_2025_01_21__csv=rows(
            SQUARE_TRANSACTIONS,
            "01/13/25 10:00 UTC $9.00 $8.00 $0.00 $2.00 $10.80 T1 P1 Payment $0.80",
            "01/20/25 10:00 UTC -$8.00 -$8.00 $0.00 -$2.00 -$10.80 T1 P3 Refund -$0.80",
        ),
    ).summary

    assert (found.sold, found.charged) == (Decimal("8.00"), Decimal("10.80"))
    assert (found.returned, found.refunded) == (Decimal("8.00"), Decimal("10.80"))
    assert kinds(found) == {"sale": 1, "gift_card": 1, "return": 1, "joined": 2}


@pytest.mark.parametrize(("said", "currency"), [(None, "USD"), ("CAD", "CAD")])
def test_the_sign_of_several_currencies_is_the_presets_unless_another_is_said(
    tmp_path: Path, said: str | None, currency: str
) -> None:
    found = adopted(tmp_path, Answers(currency=said), items__csv=rows(SQUARE_ITEMS, SALE)).summary

    assert (found.currency, found.charged) == (currency, None)  # without transactions, nobody knows the tips


def test_square_without_payments_and_event_types(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(
            "Date Time Item Qty Price~Point~Name Discounts Net~Sales Tax Transaction~ID",
            "2025-01-13 10:00 Tea 2 Regular £0.00 £8.00 £0.80 T1",
            "2025-01-20 10:00 Tea -1 Regular £0.00 -£4.00 -£0.40 T1",
        ),
    ).summary

    assert (found.sold, found.returned, found.refunded) == (Decimal("8.00"), Decimal("4.00"), Decimal("4.40"))


def test_a_preset_does_not_name_the_currency_of_other_signs(tmp_path: Path) -> None:
    found = adopted(tmp_path, items__csv=rows(SQUARE_ITEMS, SALE.replace("$", "£"))).summary

    assert found.currency == "GBP"


STRIPE = "id Created~(UTC) Amount Amount~Refunded Currency Mode Status Captured Customer~ID Customer~Email"


def test_stripe_counts_what_was_captured(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        payments__csv=rows(
            STRIPE,
            "ch_1 2025-01-02~10:00 10.00 0.00 gbp Live Paid TRUE cus_1 A@example.com",
            "ch_2 2025-01-03~10:00 20.00 5.00 gbp Live Partial~Refund TRUE cus_2 a@example.com",
            "ch_3 2025-01-04~10:00 30.00 30.00 gbp Live Refunded FALSE cus_3 b@example.com",
            "ch_4 2025-01-05~10:00 40.00 0.00 gbp Live Uncaptured FALSE cus_3 b@example.com",
            "ch_5 2025-01-06~10:00 50.00 0.00 gbp Live Blocked - cus_3 b@example.com",
            "ch_6 2025-01-07~10:00 60.00 0.00 gbp test Paid TRUE cus_3 b@example.com",
            "pi_7 2025-01-08~10:00 70.00 0.00 gbp Live Canceled - - -",
        ),
    ).summary

    assert (found.orders, found.buyers, found.sold, found.refunded) == (
        2,
        1,
        Decimal("30.00"),
        Decimal("5.00"),
    )
    assert kinds(found) == {"sale": 2, "cancelled": 2, "awaiting_payment": 1, "failed": 1, "test": 1}


PAYPAL_STATEMENT = (
    "Date Time Time~Zone Description Currency Gross Fee Net Balance Transaction~ID From~Email~Address "
    "Shipping~and~Handling~Amount Sales~Tax Reference~Txn~ID"
)
PAYPAL_GERMAN = (
    "Datum Uhrzeit Zeitzone Name Typ Status Währung Brutto Gebühr Netto Absender~E-Mail-Adresse Transaktionscode "
    "Zugehöriger~Transaktionscode Versand-~und~Bearbeitungsgebühr Auswirkung~auf~Guthaben"
)


def test_paypals_statement_in_english(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        statement__csv=rows(
            PAYPAL_STATEMENT,
            "13/01/2025 10:00 GMT Website~Payment GBP 20.00 -1.00 19.00 19.00 S1 ann@example.com 4.00 1.00 -",
            "14/01/2025 10:00 GMT Mobile~Payment GBP 10.00 -1.00 9.00 28.00 S2 ben@example.com 0.00 0.00 -",
            "15/01/2025 10:00 GMT Payment~Refund GBP -5.00 0.10 -4.90 23.10 R1 ann@example.com 0.00 0.00 S1",
            "16/01/2025 10:00 GMT Payment~Refund GBP -15.00 0.10 -14.90 8.20 R2 ann@example.com 0.00 0.00 S1",
            "17/01/2025 10:00 GMT General~Withdrawal GBP -8.20 0.00 -8.20 0.00 W1 - 0.00 0.00 -",
            "18/01/2025 10:00 GMT Chargeback~Fee GBP -9.00 0.00 -9.00 -9.00 W2 - 0.00 0.00 S2",
        ),
    ).summary

    assert (found.orders, found.buyers, found.sold, found.charged) == (
        2,
        2,
        Decimal("25.00"),
        Decimal("30.00"),
    )
    # Both refunds together are the whole payment, so they give back all of its goods.
    assert (found.returned, found.refunded) == (Decimal("15.00"), Decimal("20.00"))
    assert kinds(found) == {"sale": 2, "return": 2, "adjustment": 2}


def test_paypals_activity_in_german(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        aktivitaet__csv=rows(
            PAYPAL_GERMAN,
            "13.01.2025 10:00 CET Ann eBay-Auktionszahlung Abgeschlossen EUR 1.020,00 -9,00 1.011,00 ann@example.com S1 - 20,00 Haben",
            "14.01.2025 10:00 CET Ben Website-Zahlung Offen EUR 30,00 0,00 30,00 ben@example.com S2 - 0,00 Memo",
            "15.01.2025 10:00 CET Cem Website-Zahlung Abgelehnt EUR 40,00 0,00 40,00 cem@example.com S3 - 0,00 Memo",
            "16.01.2025 10:00 CET Ann Rückzahlung Abgeschlossen EUR -12,00 0,00 -12,00 shop@example.com R1 S1 0,00 Soll",
            "17.01.2025 10:00 CET - Allgemeine~Währungsumrechnung Abgeschlossen EUR 9,00 0,00 9,00 - W1 - 0,00 Haben",
            by=";",
        ),
    ).summary

    assert (found.orders, found.sold, found.charged) == (1, Decimal("1000.00"), Decimal("1020.00"))
    assert (found.returned, found.refunded) == (Decimal("12.00"), Decimal("12.00"))
    assert kinds(found) == {"sale": 1, "awaiting_payment": 1, "failed": 1, "return": 1, "adjustment": 1}


# --- public datasets ------------------------------------------------------------------------------------------


def test_tables_of_olist_that_are_delivered_twice_count_once(tmp_path: Path) -> None:
    tables = {
        "items": rows(
            "order_id order_item_id product_id seller_id price freight_value",
            "1 1 a s 10.00 2.00",
            "1 2 a s 10.00 2.00",
        ),
        "orders": rows(
            "order_id customer_id order_status order_purchase_timestamp", "1 9 delivered 2018-01-31~23:58:10"
        ),
        "customers": rows("customer_id customer_unique_id customer_city", "9 ann Rio"),
        "order_payments": rows(
            "order_id payment_sequential payment_type payment_value", "1 1 voucher 4.00", "1 2 boleto 20.00"
        ),
    }
    once = {f"{name}__csv": content for name, content in tables.items()}
    again = {f"{name}_2__csv": content + "\n" for name, content in tables.items()}

    found = adopted(tmp_path, **once, **again).summary

    assert (found.orders, found.buyers, found.sold, found.charged) == (
        1,
        1,
        Decimal("20.00"),
        Decimal("24.00"),
    )
    assert (found.checked, found.reconciled) == (1, 1)


def test_cdnows_rows_are_orders_also_if_they_are_equal_or_delivered_again(tmp_path: Path) -> None:
    first = " 00004 19970103  1   14.25\n 00004 19970103  1   14.25\n 00005 19970109  4    0.00\n"
    found = adopted(tmp_path, master__txt=first, newer__txt=f"{first} 00011 19971008 12   27.96\n").summary

    assert (found.orders, found.buyers, found.sold) == (3, 2, Decimal("56.46"))
    assert kinds(found) == {"sale": 3, "superseded": 3, "zero_price": 1}


def test_cdnows_sample_has_a_number_more(tmp_path: Path) -> None:
    found = adopted(
        tmp_path, sample__txt="    4    1 19970101  2   29.33\n   18    2 19970104 10   14.96\n"
    ).summary

    assert (found.orders, found.buyers, found.sold) == (2, 2, Decimal("44.29"))
    assert (str(found.first_day), str(found.last_day)) == ("1997-01-01", "1997-01-04")


@pytest.mark.parametrize(
    ("header", "record", "why"),
    [
        (
            "household_key BASKET_ID DAY PRODUCT_ID QUANTITY SALES_VALUE RETAIL_DISC",
            "71 30 1 90 1 1.39 0",
            r"^a\.csv: DAY counts days from an unknown first day",
        ),
        (
            "Landing~page Sessions Engaged~sessions Total~revenue",
            "/ 20 12 90.5",
            r"^a\.csv: the report is added up by",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(
    tmp_path: Path, header: str, record: str, why: str
) -> None:
    with pytest.raises(PlatformError, match=why):
        adopted(tmp_path, a__csv=rows(header, record))


def test_a_file_that_is_refused_is_left_aside_beside_orders(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(SQUARE_ITEMS, SALE),
        report__csv=rows("Landing~page Sessions Engaged~sessions", "/ 20 12"),
    )

    assert found.summary.orders == 1
    assert [text.partition(": ")[2][:22] for text in found.left_aside] == ["the report is added up"]


# --- tickets --------------------------------------------------------------------------------------------------

TICKETS = "Id Requester~email Subject Tags Status Priority Created~at Updated~at Solved~at Satisfaction~Score"


def test_the_newest_state_of_a_zendesk_ticket_counts(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(SQUARE_ITEMS, SALE),
        old__csv=rows(
            TICKETS,
            "1 Ann@example.com Lamp x Open High 2025-01-02~10:00 2025-01-02~10:00 - Offered",
            "2 ben@example.com Cup x Open High 2025-01-03~10:00 2025-01-03~10:00 - Offered",
            "3 eve@example.com Win x Spam - 2025-01-03~10:00 2025-01-03~10:00 - Offered",
        ),
        new__csv=rows(
            TICKETS,
            "1 ann@example.com Lamp closed_by_merge Closed High 2025-01-02~10:00 2025-01-04~10:00 2025-01-04~10:00 Good",
        ),
    ).summary

    assert kinds(found) == {"sale": 1, "ticket": 1, "merged": 1, "deleted": 1, "not_used": 1}


@pytest.mark.parametrize(
    ("header", "second", "kind"),
    [
        ("customer_id email name", "502 ben@example.com Ben", "customer"),
        ("Customer~ID Email Name", "502 ben@example.com Ben", "customer"),
        ("customer_id email points", "501 ben@example.com 40", None),
        ("customer_id email amount", "502 ben@example.com 40", None),
    ],
)
def test_a_table_of_customers_has_each_once_and_no_orders(
    tmp_path: Path, header: str, second: str, kind: str | None
) -> None:
    found = adopted(
        tmp_path,
        items__csv=rows(SQUARE_ITEMS, SALE),
        customers__csv=rows(header, "501 ann@example.com Ann", second),
    )

    assert kinds(found.summary) == {"sale": 1, **({kind: 2} if kind else {})}
    assert len(found.left_aside) == (kind is None)


def test_a_new_header_alone_belongs_to_an_export_that_is_adopted() -> None:
    preset = presets()["magento_tables"]
    orders = next(layout for layout in preset.layouts if layout.name == "orders").has
    assert preset.match([orders], is_adopted=False) is None
    assert preset.match([orders], is_adopted=True) is not None
