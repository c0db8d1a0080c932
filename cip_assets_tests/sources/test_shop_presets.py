"""Exports of web shops in versions that differ from the cases: other columns, words and forms of refunds."""

import csv
import json
from pathlib import Path

import pytest

from cip_assets.sources.adopt import Adopted, Answers, adopt
from cip_assets.sources.convert import convert, lines_of


def adopted(folder: Path, **files: str) -> Adopted:
    """Adopt files, each given by its name without the ending."""
    inside = folder / "exports"
    inside.mkdir()
    for name, text in files.items():
        ending = "jsonl" if text.startswith("{") else "csv"
        (inside / f"{name}.{ending}").write_text(text, encoding="utf-8")
    return adopt([inside], folder, Answers())


def figures(found: Adopted) -> tuple[int, int, str, str | None, str | None, str | None]:
    """Orders, order lines, goods, what was charged, goods given back, and all money given back."""
    summary = found.summary
    sales = sum(kind.records for kind in summary.kinds if kind.kind == "sale")
    amounts = (summary.charged, summary.returned, summary.refunded)
    charged, returned, refunded = (None if value is None else f"{value:.2f}" for value in amounts)
    return summary.orders, sales, f"{summary.sold:.2f}", charged, returned, refunded


def kinds(found: Adopted) -> dict[str, int]:
    return {kind.kind: kind.records for kind in found.summary.kinds}


def days_of_returns(folder: Path, found: Adopted) -> list[str]:
    with lines_of(found.sources, folder) as (connection, _):
        return [str(day) for (day,) in connection.execute("SELECT day FROM returned ORDER BY day").fetchall()]


def table(*lines: str) -> str:
    """CSV of lines with values between bars."""
    cells = ([cell.strip() for cell in line.split(" | ")] for line in lines)
    quoted = (",".join('"' + cell.replace('"', '""') + '"' if cell else "" for cell in row) for row in cells)
    return "".join(f"{line}\n" for line in quoted)


def objects(*found: object) -> str:
    return "".join(f"{json.dumps(one)}\n" for one in found)


# --- Shopify ----------------------------------------------------------------------------------------------------


def money(amount: str) -> dict[str, dict[str, str]]:
    return {"shopMoney": {"amount": amount, "currencyCode": "EUR"}}


def test_a_bulk_query_without_discounts_of_lines_and_without_versions(tmp_path: Path) -> None:
    order = "gid://shopify/Order/1"
    found = adopted(
        tmp_path,
        bulk=objects(
            {"id": "gid://shopify/LineItem/2", "title": "Cup", "quantity": 2, "originalUnitPriceSet": money("10.0"),
             "__parentId": order},
            {"id": "gid://shopify/Transaction/3", "amount": "25.0", "kind": "SALE", "__parentId": order},
            {"id": order, "createdAt": "2024-05-01T10:00:00Z", "email": "ann@example.com",
             "subtotalPriceSet": money("18.0"), "totalShippingPriceSet": money("5.0"), "totalPriceSet": money("23.0"),
             "displayFinancialStatus": "PARTIALLY_REFUNDED",
             "refunds": [{"createdAt": "2024-05-09T10:00:00Z", "totalRefundedSet": money("4.0")},
                         {"createdAt": "2024-05-04T10:00:00Z", "totalRefundedSet": money("5.0")}]},
        ),
    )  # fmt: skip
    assert figures(found) == (1, 1, "18.00", "23.00", "9.00", "9.00")
    assert days_of_returns(tmp_path, found) == ["2024-05-09"]
    assert found.summary.unreconciled == ()


def test_matrixify_without_columns_of_prices(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        Orders=table(
            "Name | Email | Processed At | Payment: Status | Line: Type | Line: SKU | Line: Quantity | Line: Price | "
            "Line: Discount | Transaction: Kind | Transaction: Amount | Transaction: Status | Refund: Created At",
            "#1 | ann@example.com | 2024-05-01 | refunded | Line Item | CUP | 2 | 10.00 | 2.00 |  |  |  | ",
            "#1 |  |  |  | Shipping Line |  |  | 5.00 |  |  |  |  | ",
            "#1 |  |  |  | Transaction |  |  |  |  | sale | 23.00 | success | ",
            "#1 |  |  |  | Transaction |  |  |  |  | refund | 23.00 | failure | ",
            "#1 |  |  |  | Transaction |  |  |  |  | refund | 23.00 | success | ",
            "#1 |  |  |  | Refund Line | CUP | -2 | 10.00 | 2.00 |  |  |  | 2024-05-07",
        ),
    )
    assert figures(found) == (1, 1, "18.00", "23.00", "18.00", "23.00")
    assert days_of_returns(tmp_path, found) == ["2024-05-07"]


def test_matrixifys_discount_that_the_lines_do_not_have_is_taken_off(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        Orders=table(
            "Name | Created At | Payment: Status | Price: Subtotal | Price: Total Discount | Price: Total | Line: Type | "
            "Line: Quantity | Line: Price | Line: Total",
            "#1 | 2024-05-01 | paid | 18.00 | 2.00 | 18.00 | Line Item | 2 | 10.00 | 20.00",
            "#1 | 2024-05-01 | paid |  |  |  | Discount |  |  | -2.00",
        ),
    )
    assert figures(found)[:4] == (1, 1, "18.00", "18.00")


def test_gift_cards_and_tips_of_shopify_are_no_goods(tmp_path: Path) -> None:
    header = (
        "Name | Email | Financial Status | Currency | Subtotal | Shipping | Taxes | Total | Discount Amount | "
        "Created at | Lineitem quantity | Lineitem name | Lineitem price | Lineitem sku"
    )
    rest: dict[str, dict[str, str]] = {
        "csv": {
            "orders": table(
                header,
                "#1 | a@b.example | paid | EUR | 68.00 | 5.00 | 0.00 | 73.00 | 2.00 | 2024-05-01 | 2 | Cup | 10.00 | CUP",
                "#1 |  |  |  |  |  |  |  |  | 2024-05-01 | 1 | Gift Card - €40.00 | 40.00 | ",
                "#1 |  |  |  |  |  |  |  |  | 2024-05-01 | 1 | Gift card holder | 5.00 | GCH",
                "#1 |  |  |  |  |  |  |  |  | 2024-05-01 | 1 | Tip | 5.00 | ",
            )
        },
        "json": {
            "orders": objects(
                {"id": 1, "created_at": "2024-05-01T10:00:00Z", "financial_status": "paid", "total_price": "73.00",
                 "subtotal_price": "68.00", "total_discounts": "2.00",
                 "total_shipping_price_set": {"shop_money": {"amount": "5.00"}},
                 "line_items": [{"title": "Cup", "quantity": 2, "price": "10.00"},
                                {"title": "Voucher", "quantity": 1, "price": "40.00", "gift_card": True},
                                {"title": "Gift card holder", "quantity": 1, "price": "5.00", "gift_card": False},
                                {"title": "Tip", "quantity": 1, "price": "5.00"}]}
            )
        },
        "bulk": {
            "orders": objects(
                {"id": "gid://shopify/Order/1", "createdAt": "2024-05-01T10:00:00Z", "displayFinancialStatus": "PAID",
                 "subtotalPriceSet": money("68.0"), "totalShippingPriceSet": money("5.0"), "totalPriceSet": money("73.0")},
                *({"id": f"gid://shopify/LineItem/{n}", "title": title, "quantity": 1, "isGiftCard": title == "Voucher",
                   "originalUnitPriceSet": money(price), "__parentId": "gid://shopify/Order/1"}
                  for n, (title, price) in enumerate(
                    [("Cup", "20.0"), ("Voucher", "40.0"), ("Gift card holder", "5.0"), ("Tip", "5.0")]))
            )
        },
        "matrixify": {
            "Orders": table(
                "Name | Created At | Payment: Status | Price: Subtotal | Price: Total Discount | Price: Total Shipping | "
                "Price: Total | Line: Type | Line: Title | Line: Quantity | Line: Price | Line: Gift Card",
                "#1 | 2024-05-01 | paid | 68.00 | 2.00 | 5.00 | 73.00 | Line Item | Cup | 2 | 10.00 | FALSE",
                "#1 |  |  |  |  |  |  | Line Item | Voucher | 1 | 40.00 | TRUE",
                "#1 |  |  |  |  |  |  | Line Item | Gift card holder | 1 | 5.00 | FALSE",
                "#1 |  |  |  |  |  |  | Tip |  | 1 | 5.00 | ",
            )
        },
    }  # fmt: skip
    for name, files in rest.items():
        (tmp_path / name).mkdir()
        found = adopted(tmp_path / name, **files)
        assert (name, figures(found)) == (name, (1, 2, "23.00", "73.00", None, None))
        assert kinds(found) == {"sale": 2, "fee": 1, "gift_card": 1} | (
            {"not_used": 1} if name == "bulk" else {}
        )
        assert found.summary.unreconciled == ()


def test_a_refund_that_is_a_status_alone_gave_back_all_or_is_unknown(tmp_path: Path) -> None:
    def order(number: int, status: str) -> object:
        return {
            "id": number,
            "created_at": "2024-05-01T10:00:00Z",
            "financial_status": status,
            "total_price": "12.00",
            "line_items": [{"title": "Cup", "quantity": 1, "price": "10.00"}],
        }

    whole, part = tmp_path / "whole", tmp_path / "part"
    whole.mkdir()
    part.mkdir()
    found = adopted(whole, orders=objects(order(1, "paid"), order(2, "refunded")))
    assert figures(found) == (2, 2, "20.00", "24.00", "10.00", "12.00")
    found = adopted(part, orders=objects(order(1, "partially_refunded"), order(2, "refunded")))
    assert figures(found) == (2, 2, "20.00", "24.00", None, None)


# --- WooCommerce ------------------------------------------------------------------------------------------------


def test_webtoffees_items_with_refunds_in_one_text(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        orders=table(
            "order_id | order_date | status | shipping_total | cart_discount | discount_total | order_total | "
            "order_subtotal | order_currency | customer_id | customer_email | billing_email | refund_items | "
            "item_product_id | item_name | item_quantity | item_total",
            "7 | 2024-02-01 09:00:00 | wc-completed | 5.00 | 2.00 | 2.00 | 33.00 | 30.00 | EUR | 0 |  | ann@example.com | "
            "amount:-6.00|reason:Late|date:2024-02-11 08:00:00;amount:-4.00|reason:|date:2024-02-09 08:00:00 | "
            "11 | Cup | 2 | 18.00",
            "7 | 2024-02-01 09:00:00 | wc-completed | 5.00 | 2.00 | 2.00 | 33.00 | 30.00 | EUR | 0 |  | ann@example.com | "
            "amount:-6.00|reason:Late|date:2024-02-11 08:00:00;amount:-4.00|reason:|date:2024-02-09 08:00:00 | "
            "12 | Pot | 1 | 10.00",
            "8 | 2024-02-02 09:00:00 | wc-on-hold | 0 | 0 | 0 | 9.00 | 9.00 | EUR | 3 | bo@example.com | bo@example.com | "
            " | 12 | Pot | 1 | 9.00",
            "9 | 2024-02-03 09:00:00 | trash | 0 | 0 | 0 | 9.00 | 9.00 | EUR | 3 | bo@example.com | bo@example.com |  | "
            "12 | Pot | 1 | 9.00",
        ),
    )
    assert figures(found) == (1, 2, "28.00", "33.00", "10.00", "10.00")
    assert kinds(found) == {"sale": 2, "awaiting_payment": 1, "cancelled": 1}
    assert days_of_returns(tmp_path, found) == ["2024-02-11"]
    assert found.summary.unreconciled == ()


def test_items_of_woocommerce_in_texts_only(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        orders=table(
            "order_id | order_date | status | order_total | order_currency | billing_email | line_item_1 | line_item_2",
            "7 | 2024-02-01 09:00:00 | completed | 22.00 | EUR | ann@example.com | "
            "name:Map| Coast|product_id:33|sku:MP|quantity:2|total:12.00|sub_total:14.00|"
            'tax_data:a:1:{s:5:"total";a:0:{}} | name:Pen|product_id:0|quantity:1|total:10.00',
            "8 | 2024-02-02 09:00:00 | completed | 100.00 | EUR | bo@example.com | "
            "Cue, 12 (SKU: CUE) x2 @$50.00 = $100.00 | ",
        ),
    )
    assert figures(found)[:4] == (2, 3, "122.00", "122.00")
    with lines_of(found.sources, tmp_path) as (connection, _):
        products = connection.execute(
            "SELECT product_id, product_name, quantity::INT FROM sold ORDER BY ALL"
        ).fetchall()
    assert products == [("33", "Map| Coast", 2), ("CUE", "Cue, 12", 2), ("Pen", "Pen", 1)]


def test_a_refund_has_its_day_also_where_orders_have_the_month_first(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        orders=table(
            "order_id | order_date | status | order_total | order_currency | line_item_1 | refund_items",
            "7 | 9/13/2016 6:29:00 | refunded | 10.00 | EUR | name:Pen|product_id:32|quantity:1|total:10.00 | "
            "amount:10.00|reason:Lost|date:2016-10-02 10:00:00",
            "8 | 9/14/2016 6:29:00 | refunded | 10.00 | EUR | name:Pen|product_id:32|quantity:1|total:10.00 | ",
        ),
    )
    assert figures(found) == (2, 2, "20.00", "20.00", "20.00", "20.00")
    assert days_of_returns(tmp_path, found) == ["2016-09-14", "2016-10-02"]


def test_woocommerce_analytics_from_the_browser_with_a_refund_in_another_month(tmp_path: Path) -> None:
    header = (
        "Date | Order # | Status | Customer | Customer type | Product(s) | Items sold | Coupon(s) | Net sales"
    )
    found = adopted(
        tmp_path,
        march=table(header, "2024-03-06 12:00:00 | 5 | Completed | Ida Frost | new | 5x Tile | 5 |  | 60",
                    "2024-03-07 12:00:00 | 6 | Pending payment | Bo Ek | new | 1x Tile | 1 |  | 12"),
        april=table(header, "2024-04-02 12:00:00 | 5 | Completed | IDA FROST | returning | '-1x Tile | '-1 |  | '-12",
                    "2024-04-09 12:00:00 | 5 | Completed | IDA FROST | returning | '-1x Tile | '-1 |  | '-12"),
    )  # fmt: skip
    assert figures(found) == (1, 1, "60.00", None, "24.00", "24.00")
    assert days_of_returns(tmp_path, found) == ["2024-04-09"]


# --- Magento ----------------------------------------------------------------------------------------------------

ORDERS = (
    "entity_id | increment_id | state | status | customer_email | created_at | updated_at | base_currency_code | "
    "base_subtotal | base_discount_amount | base_shipping_amount | base_tax_amount | base_grand_total"
)
ITEMS = "item_id | order_id | parent_item_id | sku | name | qty_ordered | base_row_total | base_discount_amount | updated_at"


def test_tables_of_magento_1_dumped_twice_with_invoices_and_memos(tmp_path: Path) -> None:
    memos = "entity_id | order_id | increment_id | state | created_at | base_grand_total | base_adjustment_positive"
    found = adopted(
        tmp_path,
        sales_flat_order_may=table(
            ORDERS,
            "1 | 100001 | new | pending | ann@example.com | 2024-05-01 10:00:00 | 2024-05-01 10:00:00 | EUR | "
            "60.00 | -6.00 | 5.00 | 0.00 | 59.00",
        ),
        sales_flat_order_june=table(
            ORDERS,
            "1 | 100001 | complete | complete | ann@example.com | 2024-05-01 10:00:00 | 2024-06-02 10:00:00 | EUR | "
            "60.00 | -6.00 | 5.00 | 0.00 | 59.00",
            "2 | 100002 | holded | holded | bo@example.com | 2024-06-01 10:00:00 | 2024-06-01 10:00:00 | EUR | "
            "9.00 | 0.00 | 0.00 | 0.00 | 9.00",
        ),
        sales_flat_order_item_may=table(
            ITEMS,
            "1 | 1 | NULL | SET | Set | 1 | 60.00 | 0.00 | 2024-05-01 10:00:00",
            "2 | 1 | 1 | SOAP | Soap | 2 | 40.00 | 4.00 | 2024-05-01 10:00:00",
            "3 | 1 | 1 | OIL | Oil | 1 | 20.00 | 2.00 | 2024-05-01 10:00:00",
        ),
        sales_flat_order_item_june=table(
            ITEMS,
            "1 | 1 | NULL | SET | Set | 1 | 60.00 | 0.00 | 2024-06-02 10:00:00",
            "2 | 1 | 1 | SOAP | Soap | 2 | 40.00 | 4.00 | 2024-06-02 10:00:00",
            "3 | 1 | 1 | OIL | Oil | 1 | 20.00 | 2.00 | 2024-06-02 10:00:00",
            "4 | 2 | NULL | SOAP | Soap | 1 | 9.00 | 0.00 | 2024-06-02 10:00:00",
        ),
        sales_flat_creditmemo=table(
            memos, "1 | 1 | 200001 | 2 | 2024-06-05 10:00:00 | 20.00 | 0.00",
            "2 | 1 | 200002 | 3 | 2024-06-06 10:00:00 | 20.00 | 0.00",
        ),
        sales_flat_invoice=table(
            "entity_id | order_id | increment_id | state | created_at | base_grand_total | base_total_refunded",
            "1 | 1 | 300001 | 2 | 2024-05-02 10:00:00 | 59.00 | NULL",
        ),
    )  # fmt: skip
    assert figures(found) == (1, 1, "54.00", "59.00", "20.00", "20.00")
    assert kinds(found)["awaiting_payment"] == 1
    assert days_of_returns(tmp_path, found) == ["2024-06-05"]
    assert found.summary.unreconciled == ()
    assert found.left_aside == []


# --- others -----------------------------------------------------------------------------------------------------


def test_a_partial_refund_of_prestashop_makes_totals_of_refunds_unknown(tmp_path: Path) -> None:
    header = "ID;Reference;New client;Delivery;Customer;Total;Payment;Status;Date"
    found = adopted(
        tmp_path,
        order=f"{header}\n"
        "1;AAA;1;France;A. Berg;1 204,95 €;Card;Delivered;2024-05-01 00:10:00\n"
        "2;BBB;1;France;B. Claes;36,50 €;Card;Refunded;2024-05-09 09:00:00\n"
        "3;CCC;1;France;C. Roux;20,00 €;Card;Partial refund;2024-05-10 09:00:00\n"
        "4;DDD;1;France;D. Prins;20,00 €;Card;On backorder (not paid);2024-05-10 09:00:00\n",
    )  # fmt: skip
    assert figures(found) == (3, 3, "1261.45", "1261.45", None, None)
    assert found.summary.currency == "EUR"
    convert(found.sources, tmp_path, tmp_path / "landing")
    (path,) = (tmp_path / "landing/returns").rglob("*.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        returns = {row["order_id"]: (row["amount"], row["amount_unknown"]) for row in csv.DictReader(stream)}
    assert returns == {"2": ("36.500000", "false"), "3": ("", "true")}  # that of order 2 is known


@pytest.mark.parametrize(
    ("header", "statuses"),
    [
        (
            "ID;Référence;Nouveau client;Livraison;Client;Total;Paiement;État;Date",
            "Livré;Remboursé;Annulé;En attente de virement bancaire;En attente de réapprovisionnement (payé)",
        ),
        (
            "ID;Referencia;Nuevo cliente;Entrega;Cliente;Total;Pago;Estado;Fecha",
            "Entregado;Reembolsado;Cancelado;En espera de validación por contra reembolso;Pago aceptado",
        ),
        (
            "ID;Riferimento;Nuovo cliente;Consegna;Cliente;Totale;Pagamento;Stato;Data",
            "Consegnato;Rimborsato;Annullato;In attesa di pagamento con assegno;In attesa rifornimento (pagato)",
        ),
        (
            "ID;Bestellnr.;Neukunde;Lieferung;Kunde;Gesamt;Zahlung;Status;Datum",
            "Versandt;Erstattet;Storniert;Warten auf Zahlungseingang Scheck;Zahlung eingegangen",
        ),
    ],
)
def test_prestashop_in_other_languages(tmp_path: Path, header: str, statuses: str) -> None:
    lines = [
        f"{n};AAA;1;France;A. Berg {n};1.204,9{n} €;Card;{status};2024-05-0{n} 00:10:00\n"
        for n, status in enumerate(statuses.split(";"), 1)
    ]
    found = adopted(tmp_path, order=f"{header}\n{''.join(lines)}")
    assert [export.preset for export in found.sources.exports] == ["prestashop_grid"]
    assert figures(found) == (3, 3, "3614.78", "3614.78", "1204.92", "1204.92")
    assert kinds(found) == {"sale": 3, "cancelled": 1, "awaiting_payment": 1}


def test_bigcommerce_in_a_shop_whose_prices_hold_tax(tmp_path: Path) -> None:
    def product(number: int, quantity: int, name: str, price: str, total: str) -> str:
        return (
            f"Product ID: {number}, Product Qty: {quantity}, Product SKU: , Product Name: {name}, Product Weight: 0.5, "
            f"Product Variation Details: , Product Unit Price: {price}, Product Total Price: {total}"
        )

    found = adopted(
        tmp_path,
        orders=table(
            "Order ID | Order Status | Order Date | Subtotal (inc tax) | Subtotal (ex tax) | Tax Total | "
            "Shipping Cost (inc tax) | Shipping Cost (ex tax) | Order Total (inc tax) | Refund Amount | Customer ID | "
            "Billing Email | Order Currency Code | Product Details",
            "1 | Completed | 10/13/2024 | 36.00 | 30.00 | 7.00 | 6.00 | 5.00 | 42.00 | 0.00 | 0 | ann@example.com | GBP | "
            f"{product(1, 2, 'Rug| red, wool', '12.00', '24.00')}|{product(2, 1, 'Pad: thin', '12.00', '12.00')}",
            "2 | Refunded | 10/14/2024 | 12.00 | 10.00 | 2.00 | 0.00 | 0.00 | 12.00 | 0.00 | 5 |  | GBP | "
            f"{product(2, 1, 'Pad: thin', '12.00', '12.00')}",
            "3 | Disputed | 10/15/2024 | 12.00 | 10.00 | 2.00 | 0.00 | 0.00 | 12.00 | 0.00 | 5 |  | GBP | "
            f"{product(2, 1, 'Pad: thin', '12.00', '12.00')}",
            "4 | Declined | 10/15/2024 | 12.00 | 10.00 | 2.00 | 0.00 | 0.00 | 12.00 | 0.00 | 5 |  | GBP | "
            f"{product(2, 1, 'Pad: thin', '12.00', '12.00')}",
        ),
    )
    assert figures(found) == (3, 4, "60.00", "66.00", "12.00", "12.00")
    assert found.summary.unreconciled == ()
    with lines_of(found.sources, tmp_path) as (connection, _):
        names = connection.execute(
            "SELECT product_name FROM sold WHERE order_id = '1' ORDER BY ALL"
        ).fetchall()
    assert names == [("Pad: thin",), ("Rug| red, wool",)]


def test_a_partial_refund_without_an_amount_makes_totals_of_refunds_unknown(tmp_path: Path) -> None:
    found = adopted(
        tmp_path,
        orders=table(
            "Order ID | Status | Date Created | Subtotal Ex Tax | Subtotal Inc Tax | Total Inc Tax | Refunded Amount | "
            "Items Total | Billing Email | Default Currency Code",
            "1 | Refunded | Sun, 01 Sep 2024 02:10:00 +0000 | 10.0000 | 12.0000 | 12.0000 | 12.0000 | 1 | a@b.example | EUR",
            "2 | Partially Refunded | Mon, 02 Sep 2024 02:10:00 +0000 | 10.0000 | 12.0000 | 12.0000 | 0.0000 | 1 |  | EUR",
        ),
    )  # fmt: skip
    assert figures(found) == (2, 2, "20.00", "24.00", None, None)
