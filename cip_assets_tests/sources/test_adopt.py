"""Exports of no known system, each read as somebody counts it by hand, or refused in one line."""

from collections.abc import Mapping
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
