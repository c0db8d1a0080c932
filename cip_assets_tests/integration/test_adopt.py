"""`cip adopt`, then `cip run`: an export as the shop hands it over becomes a Customer 360.

The landing files are made without an engine, so one engine is enough here.
"""

from datetime import date
from pathlib import Path

import pytest

from cip_assets.config.settings import Settings
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.integration.helpers import exported, rows_of

# Semicolons, decimal commas, Windows-1252, days first, a guest, a credit note of its own, a cancelled order, a total.
EXPORT = """\
Bestelldatum;Auftragsnr.;Kundennr.;Artikel;Menge;Einzelpreis;Gesamtpreis;Status
30.12.2023;A-001;00042;Stühle;2;617,28 €;1.234,56 €;fertig
30.12.2023;A-001;00042;Tisch;1;100,00 €;100,00 €;fertig
03.01.2024;A-002;00043;Kabel;1,5;20,00 €;30,00 €;fertig
05.01.2024;A-003;;Kerze;10;0,99 €;9,90 €;fertig
08.01.2024;G-001;00042;Stühle;1-;617,28 €;617,28- €;fertig
31.01.2024;A-005;00044;Regal;1;50,00 €;50,00 €;Storno
99.01.2024;A-006;00044;Regal;1;50,00 €;50,00 €;fertig
Gesamt;;;;;;857,18 €;
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "exports of the shop"
    folder.mkdir()
    (folder / "Umsätze.csv").write_bytes(EXPORT.encode("cp1252"))
    return folder


def test_an_export_becomes_a_customer_360(shop: Path, data_dir: Path, cip: Cip) -> None:
    code, printed, errors = cip("adopt", "--yes", str(shop))
    assert code == 0, errors
    assert "quantity times Einzelpreis is Gesamtpreis in 7 of 7 records" in printed
    assert (
        "3 orders of 2 buyers, 1 of them guest orders, from 2023-12-30 to 2024-01-05: 1,374.46 sold, 617.28"
        in printed
    )
    code, printed, errors = cip("run", "--select", "exports/kpi_totals")  # it is compared with customer_360
    assert code == 0, errors
    assert "no rows: customers, support_tickets, web_activity; what is computed from them is empty" in printed
    settings = Settings(data_dir, ENGINE)
    (totals,) = exported(settings, "kpi_totals")
    wanted = {
        "total_customers": "2",
        "buyers": "2",
        "orders": "3",
        "order_lines": "4",
        "guest_orders": "1",
        "first_order_day": "2023-12-30",
        "last_order_day": "2024-01-05",
        "total_revenue": "1374.46",
        "returned_amount": "617.28",
        "net_revenue": "757.18",
        "guest_revenue": "9.90",
    }
    assert {name: totals[name] for name in wanted} == wanted
    customers = {row["customer_id"]: row for row in exported(settings, "customer_360")}
    assert {key: (row["frequency"], row["net_revenue"]) for key, row in customers.items()} == {
        "00042": ("1", "717.28"),
        "00043": ("1", "30.00"),
    }
    (bad,) = rows_of(settings, "quarantine/transactions")
    assert (bad["reasons"], bad["transaction_date"]) == ("transaction_date:not_a_date", "99.01.2024")
    products = {row["product_id"]: row["product_name"] for row in rows_of(settings, "cleaned/products")}
    assert products["Stühle"] == "Stühle"


def test_a_new_file_of_the_shop_is_taken_by_the_next_run(shop: Path, data_dir: Path, cip: Cip) -> None:
    select = ("--select", "exports/kpi_monthly_revenue")  # it needs the fewest tables
    assert cip("adopt", "--yes", str(shop))[0] == 0
    assert cip("run", *select)[0] == 0
    sources = data_dir / "sources.yaml"
    sources.write_text(sources.read_text("utf-8").replace("Umsätze.csv", "*.csv"), encoding="utf-8")
    header = EXPORT.splitlines()[0]
    (shop / "Februar.csv").write_bytes(
        f"{header}\n02.02.2024;A-007;00043;Tisch;1;100,00 €;100,00 €;fertig\n".encode("cp1252")
    )
    code, _, errors = cip("run", *select)
    assert code == 0, errors
    months = exported(Settings(data_dir, ENGINE), "kpi_monthly_revenue")
    assert [(row["month"], row["orders"]) for row in months] == [
        ("2023-12", "1"),
        ("2024-01", "2"),
        ("2024-02", "1"),
    ]
    days = [row["transaction_date"] for row in rows_of(Settings(data_dir, ENGINE), "cleaned/transactions")]
    assert max(days) == date(2024, 2, 2)


def test_open_questions_need_a_person_or_yes(shop: Path, data_dir: Path, cip: Cip) -> None:
    code, printed, errors = cip("adopt", str(shop))
    assert (code, "'Storno' is taken as cancelled" in printed) == (1, True)
    assert "questions are open; add --yes to take the answers above" in errors
    code, _, errors = cip("adopt", "--yes", "--strict", str(shop))
    assert code == 1
    assert "(--strict)" in errors
    assert not (data_dir / "sources.yaml").exists()


def test_what_a_person_edited_is_kept(shop: Path, data_dir: Path, cip: Cip) -> None:
    assert cip("adopt", "--yes", str(shop))[0] == 0
    sources = data_dir / "sources.yaml"
    edited = sources.read_text("utf-8").replace("is: cancelled", "is: sale")
    sources.write_text(edited, encoding="utf-8")
    code, printed, errors = cip("adopt", "--yes", str(shop))
    assert code == 0, errors
    assert "as sources.yaml says" in printed
    assert "is: sale" in sources.read_text("utf-8")
    assert "4 orders of 3 buyers" in printed


def line(order: str, day: str, status: str = "fertig") -> str:
    return f"{day};{order};00043;Tisch;1;100,00 €;100,00 €;{status}\n"


def put(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes("".join([f"{EXPORT.splitlines()[0]}\n", *lines]).encode("cp1252"))
    return path


def test_a_second_adopt_adds_to_the_first(tmp_path: Path, data_dir: Path, cip: Cip) -> None:
    january = put(tmp_path / "shop", "january.csv", line("A-1", "13.01.2024"), line("A-2", "14.01.2024"))
    february = put(tmp_path / "shop", "february.csv", line("A-3", "13.02.2024"))
    assert cip("adopt", "--yes", str(january))[0] == 0
    code, printed, errors = cip("adopt", "--yes", str(february))
    assert code == 0, errors
    assert "3 orders of 1 buyers" in printed
    content = (data_dir / "sources.yaml").read_text("utf-8")
    assert ("january.csv" in content, "february.csv" in content, "2024-01-01" in content) == (
        True,
        True,
        True,
    )


def test_a_status_that_comes_later_has_the_same_rule(tmp_path: Path, data_dir: Path, cip: Cip) -> None:
    put(tmp_path / "shop", "january.csv", line("A-1", "13.01.2024"), line("A-2", "14.01.2024"))
    assert cip("adopt", "--yes", str(tmp_path / "shop"))[0] == 0
    put(tmp_path / "shop", "february.csv", line("A-3", "13.02.2024"), line("A-4", "14.02.2024", "Storniert "))
    code, printed, errors = cip("adopt", "--yes", str(tmp_path / "shop"))
    assert code == 0, errors
    assert "3 orders of 1 buyers" in printed


def test_what_the_platform_writes_is_no_export(tmp_path: Path, data_dir: Path, cip: Cip) -> None:
    put(data_dir / "shop", "january.csv", line("A-1", "13.01.2024"), line("A-2", "14.01.2024"))
    assert cip("adopt", "--yes", str(data_dir))[0] == 0
    assert cip("run", "--select", "exports/kpi_monthly_revenue")[0] == 0
    code, printed, errors = cip("adopt", "--yes", str(data_dir))
    assert code == 0, errors
    assert "from_exports" not in (data_dir / "sources.yaml").read_text("utf-8")
    assert "2 orders of 1 buyers" in printed


def test_files_beside_the_orders_are_left_aside(shop: Path, cip: Cip) -> None:
    (shop / "refunds.csv").write_text(
        "Refund ID,Order ID,Date,Amount\n1,A-001,2024-01-05,5.00\n", encoding="utf-8"
    )
    code, printed, errors = cip("adopt", "--yes", str(shop))
    assert code == 0, errors
    assert "not read: refunds.csv: by its name no order lines; adopt it alone if it has them" in printed
    assert "3 orders of 2 buyers" in printed


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("t.csv", "Id,Subject\n1,Hello\n", "no file holds order lines"),
        (
            "d.csv",
            "order,date,total\n1,03/04/2024,5.00\n",
            "say which with --date-order dmy or --date-order mdy",
        ),
        ("e.csv", "", "e.csv: it is empty"),
        (
            "u.csv",
            "order,date,total\n1,2024-01-15,1 of 2\n2,2024-01-15,2 for 1\n",
            "2 of 2 records have no order, day, quantity or amount that can be read, and 0 are sales: u.csv, line 2: 1,",
        ),
    ],
)
def test_what_cannot_be_adopted_is_one_line(
    tmp_path: Path, data_dir: Path, cip: Cip, name: str, content: str, message: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    code, _, errors = cip("adopt", "--yes", str(tmp_path / name))
    assert code == 1
    assert message in errors
    assert not (data_dir / "sources.yaml").exists()


def test_a_path_that_does_not_exist_is_named(tmp_path: Path, cip: Cip) -> None:
    code, _, errors = cip("adopt", str(tmp_path / "nowhere"))
    assert code == 1
    assert "nowhere does not exist; name a file or a folder with exports" in errors


CASES = Path(__file__).resolve().parents[1] / "sources" / "cases"


def test_amounts_of_several_currencies_are_not_added_up(cip: Cip) -> None:
    code, printed, errors = cip("adopt", "--yes", str(CASES / "currency_column" / "in"))
    assert code == 0, errors
    assert "the amounts are in several currencies, and there are no rates" in printed
    assert "Amount" not in printed
    assert "no total of what buyers paid" not in printed  # it is there, in several currencies


def test_files_that_are_read_together_are_named_and_questions_stand_together(cip: Cip) -> None:
    code, printed, errors = cip("adopt", "--yes", str(CASES / "magento_tables" / "in"))
    assert code == 0, errors
    assert "sales_creditmemo.csv: read together with other files" in printed
    first, *_, last = printed.partition("6 questions, with the answers that are taken (--yes):")[2].split(
        "\n"
    )[2:8]
    assert first == "    1. the time zone of the shop (the tables have UTC): days as written, UTC"
    assert last == "    6. cancelled orders that were refunded: left out with their refund"
