"""Exports become landing files: every record once, by its kind, and every amount to the cent."""

import csv
import gzip
from collections.abc import Mapping
from datetime import date
from decimal import ROUND_HALF_UP, Decimal, localcontext
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cip_assets.config.errors import PlatformError
from cip_assets.sources import orders
from cip_assets.sources.config import Export, Kind, Layout, Sources
from cip_assets.sources.convert import Summary, convert, look_at
from cip_assets.sources.databases.database import Database

HEADER = ("Order", "Day", "Customer", "Item", "Name", "Qty", "Price", "Status")
LAYOUT = Layout.model_validate(
    {
        "header": HEADER,
        "fields": {
            "order_id": "Order",
            "date": "Day",
            "customer_id": "Customer",
            "product_id": "Item",
            "product_name": "Name",
            "quantity": "Qty",
            "unit_price": "Price",
        },
        "date_order": "ymd",
        "kinds": [
            {"is": "cancelled", "when": "record['Status'] = 'Cancelled'"},
            {"is": "discount", "when": "product_id = 'DISCOUNT'"},
        ],
    }
)


def put(folder: Path, name: str, *lines: str, header: str = ",".join(HEADER)) -> Path:
    path = folder / name
    path.write_text("".join(f"{line}\n" for line in (header, *lines)), encoding="utf-8")
    return path


def sources(*layouts: Layout, files: str = "*.csv") -> Sources:
    export = Export(files=(files,), layouts=layouts or (LAYOUT,))
    return Sources(first_month=date(2024, 1, 1), exports=(export,))


def converted(folder: Path, *layouts: Layout) -> Summary:
    return convert(sources(*layouts), folder, folder / "landing")


def landed(folder: Path, table: str, month: str) -> list[dict[str, str]]:
    with (folder / "landing" / table / "from_exports" / f"{month}.csv").open(
        encoding="utf-8", newline=""
    ) as stream:
        return list(csv.DictReader(stream))


def kinds(summary: Summary) -> dict[str, tuple[int, str]]:
    return {kind.kind: (kind.records, str(kind.amount)) for kind in summary.kinds}


@pytest.mark.parametrize(
    "when",
    [
        "record['Status'] = 'Cancelled'",
        "record [ 'Status' ] = 'Cancelled'",
        "list_contains(map_values(record), 'Cancelled')",
        "record['Sta' || 'tus'] = 'Cancelled'",
        "record['Missing'] IS NULL AND order_id = '2'",
    ],
)
def test_a_rule_reads_the_record_in_any_way(tmp_path: Path, when: str) -> None:
    put(
        tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,Paid", "2,2024-01-06,bob,P1,Tea,2,3.50, Cancelled "
    )
    rule = LAYOUT.model_copy(update={"kinds": (Kind.model_validate({"is": "cancelled", "when": when}),)})
    assert kinds(converted(tmp_path, rule)) == {"sale": (1, "7.00"), "cancelled": (1, "7.00")}


def test_every_record_is_counted_once_by_its_kind(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,ann,P1,Tea,2,3.50,Paid",
        "1,2024-01-05,ann,P1,Tea,2,3.50,Paid",  # two equal lines of an order are two lines
        "2,2024-01-06,,P2,Pot,1,9.00,Paid",
        "3,2024-02-01,bob,P2,Pot,1,9.00,Cancelled",
        "1,2024-02-03,ann,P1,Tea,-1,3.50,Paid",
        "4,2024-02-30,bob,P2,Pot,1,9.00,Paid",
        "5,2024-02-03,bob,P2",
    )
    found = converted(tmp_path)
    assert kinds(found) == {
        "sale": (3, "23.00"),
        "return": (1, "-3.50"),
        "cancelled": (1, "9.00"),
        "unreadable": (1, "9.00"),
        "broken": (1, "0"),
    }
    assert (found.records, found.orders, found.buyers, found.guest_orders) == (7, 2, 1, 1)
    assert (found.sold, found.returned) == (Decimal("23.00"), Decimal("3.50"))
    assert [
        (r["transaction_id"], r["order_id"], r["customer_id"], r["is_guest"], r["amount"])
        for r in landed(tmp_path, "transactions", "2024-01")
    ] == [
        ("1-1", "1", "ann", "false", "7.000000"),
        ("1-2", "1", "ann", "false", "7.000000"),
        ("2-1", "2", "", "true", "9.000000"),
    ]
    (returned,) = landed(tmp_path, "returns", "2024-02")
    assert (returned["order_id"], returned["customer_id"], returned["amount"]) == ("1", "ann", "3.500000")
    (undated,) = landed(tmp_path, "transactions", "undated")
    assert (undated["transaction_date"], undated["export_file"], undated["export_line"]) == (
        "2024-02-30",
        "a.csv",
        "7",
    )
    broken = (tmp_path / "landing/transactions/from_exports/broken.csv").read_text("utf-8").splitlines()[1:]
    assert broken == ['"5,2024-02-03,bob,P2",a.csv:8']
    left_out = (tmp_path / "landing" / "_left_out.csv").read_text("utf-8").splitlines()[1:]
    assert left_out == ['a.csv,5,cancelled,"3,2024-02-01,bob,P2,Pot,1,9.00,Cancelled"']
    products = (tmp_path / "landing/products/from_exports/products.csv").read_text("utf-8").splitlines()[1:]
    assert products == ["P1,Tea,,,,", "P2,Pot,,,,"]


def test_a_quantity_that_cannot_be_read_lands_as_it_is_written(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,two,3.50,Paid", "2,2024-01-06,ann,P1,Tea,0.4,3.50,Paid")
    assert kinds(converted(tmp_path))["unreadable"][0] == 1
    assert [line["quantity"] for line in landed(tmp_path, "transactions", "2024-01")] == ["two", "1"]


@pytest.mark.parametrize(
    ("order", "text"),
    [("ymd", "2024-01-31 23:30:00+00"), ("unix", "1706743800"), ("ymd", "20240131T233000Z")],
)
def test_a_day_is_that_of_the_shops_clock(tmp_path: Path, order: str, text: str) -> None:
    put(tmp_path, "a.csv", f"1,{text},ann,S1,Lamp,1,10.00,Paid")
    layout = LAYOUT.model_copy(update={"date_order": order, "time_zone": "Europe/Berlin"})
    assert converted(tmp_path, layout).first_day == date(2024, 2, 1)


def test_a_line_of_nothing_is_no_order(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-31,ann,S1,Lamp,0,10.00,Paid", "2,2024-01-31,ann,S1,Lamp,1,0.00,Paid")
    summary = converted(tmp_path)
    assert {kind.kind: kind.records for kind in summary.kinds} == {"nothing": 1, "sale": 1}
    assert summary.orders == 1


def test_an_order_in_several_files_is_taken_from_the_newest_one(tmp_path: Path) -> None:
    put(tmp_path, "z_old.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,", "2,2024-01-06,bob,P1,Tea,1,3.50,")
    put(
        tmp_path,
        "a_new.csv",
        "2,2024-01-06,bob,P1,Tea,1,3.50,",
        "2,2024-01-06,bob,P2,Pot,1,9.00,",
        "3,2024-01-20,ann,P1,Tea,1,3.50,",
    )
    found = converted(tmp_path)
    assert kinds(found) == {"sale": (4, "23.00"), "superseded": (1, "3.50")}
    files = {row["order_id"]: row["export_file"] for row in landed(tmp_path, "transactions", "2024-01")}
    assert files == {"1": "z_old.csv", "2": "a_new.csv", "3": "a_new.csv"}


def test_the_files_of_an_order_may_have_the_same_name(tmp_path: Path) -> None:
    for month, lines in (("01", ()), ("02", ("2,2024-02-06,bob,P2,Pot,1,9.00,",))):
        (tmp_path / month).mkdir()
        put(tmp_path / month, "orders.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,", *lines)
    found = convert(sources(files="*/orders.csv"), tmp_path, tmp_path / "landing")
    assert kinds(found) == {"sale": (2, "16.00"), "superseded": (1, "7.00")}


def test_a_newer_file_cancels_an_order(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,Paid", "2,2024-01-06,bob,P1,Tea,1,3.50,Paid")
    put(
        tmp_path,
        "b.csv",
        "1,2024-01-05,ann,P1,Tea,2,3.50,Cancelled",
        "2,2024-01-06,bob,P1,Tea,1,3.50,Paid",
        "3,2024-02-06,bob,P1,Tea,1,3.50,Paid",
    )
    assert kinds(converted(tmp_path)) == {
        "sale": (2, "7.00"),
        "superseded": (2, "10.50"),
        "cancelled": (1, "7.00"),
    }


def test_a_delivery_date_decides_which_file_is_newer(tmp_path: Path) -> None:
    for day, price in (("2024-03-01", "3.50"), ("2024-02-01", "9.00")):
        folder = tmp_path / f"dt={day}"
        folder.mkdir()
        put(folder, "orders.csv", f"1,2024-01-05,ann,P1,Tea,1,{price},")
    assert convert(sources(files="*/*.csv"), tmp_path, tmp_path / "landing").sold == Decimal("3.50")


def test_one_wrong_day_does_not_make_a_file_newer(tmp_path: Path) -> None:
    many = [f"{n},2024-01-{n % 28 + 1:02},ann,P1,Tea,1,3.50," for n in range(200)]
    put(tmp_path, "z_old.csv", *many, "900,2042-01-24,ann,P1,Tea,1,3.50,")
    put(tmp_path, "a_new.csv", "5,2024-01-06,ann,P1,Tea,1,99.00,", "300,2024-02-24,ann,P1,Tea,1,3.50,")
    assert converted(tmp_path).sold == Decimal("99.00") + 201 * Decimal("3.50")


def test_files_that_each_have_a_part_of_an_order_are_added_up(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,", "1,2024-02-01,ann,P1,Tea,-1,3.50,")
    put(tmp_path, "b.csv", "1,2024-01-05,ann,P2,Pot,1,9.00,", "1,2024-02-02,ann,P1,Tea,-1,3.50,")
    found = converted(tmp_path)
    assert (found.sold, found.returned, found.orders) == (Decimal("16.00"), Decimal("7.00"), 1)


def test_numbers_that_begin_again_are_refused_unless_each_period_is_an_export(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2023-01-05,ann,P1,Tea,1,3.50,")
    put(tmp_path, "b.csv", "1,2024-01-05,bob,P1,Tea,1,3.50,")
    with pytest.raises(
        PlatformError, match="order 1 has lines of 2023-01-05 and of 2024-01-05 .1 such orders.: the"
    ):
        converted(tmp_path)
    each = tuple(Export(files=(name,), layouts=(LAYOUT,)) for name in ("a.csv", "b.csv"))
    found = convert(Sources(first_month=date(2023, 1, 1), exports=each), tmp_path, tmp_path / "landing")
    assert found.sold == Decimal("7.00")
    ids = [landed(tmp_path, "transactions", month)[0]["order_id"] for month in ("2023-01", "2024-01")]
    assert ids == ["export1:1", "export2:1"]
    put(tmp_path, "a.csv", "1,2023-01-05,ann,P1,Tea,1,3.50,", "1,2023-01-06,ann,P1,Tea,-1,3.50,")
    convert(Sources(first_month=date(2023, 1, 1), exports=each), tmp_path, tmp_path / "landing")
    assert landed(tmp_path, "returns", "2023-01")[0]["order_id"] == "export1:1"


def test_a_discount_makes_a_return_smaller(tmp_path: Path) -> None:
    layout = Layout.model_validate(
        {**LAYOUT.model_dump(by_alias=True), "fields": {**LAYOUT.fields, "discount": ["Status"]}, "kinds": []}
    )
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,1,10.00,2.00", "2,2024-01-06,ann,P1,Tea,-1,10.00,2.00")
    found = converted(tmp_path, layout)
    assert (found.sold, found.returned) == (Decimal("8.00"), Decimal("8.00"))


def test_a_return_that_names_an_order_of_another_file_leaves_its_lines(tmp_path: Path) -> None:
    put(tmp_path, "january.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,")
    put(tmp_path, "february.csv", "1,2024-02-05,ann,P1,Tea,-1,3.50,", "2,2024-02-05,ann,P1,Tea,1,3.50,")
    assert kinds(converted(tmp_path)) == {"sale": (2, "10.50"), "return": (1, "-3.50")}


def test_a_copy_of_a_file_is_not_read_again(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,")
    with gzip.open(tmp_path / "copy.csv.gz", "wb") as stream:
        stream.write(path.read_bytes())
    found = convert(sources(files="*"), tmp_path, tmp_path / "landing")
    assert (found.records, found.skipped) == (
        1,
        (f"{tmp_path.name}/copy.csv.gz: the same content as {tmp_path.name}/a.csv",),
    )


def test_a_file_is_written_only_if_it_changes(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,", "2,2024-02-05,ann,P1,Tea,2,3.50,")
    converted(tmp_path)
    folder = tmp_path / "landing" / "transactions" / "from_exports"
    before = {path.name: path.stat().st_ino for path in folder.iterdir()}
    put(tmp_path, "b.csv", "3,2024-02-06,ann,P1,Tea,2,3.50,")
    converted(tmp_path)
    after = {path.name: path.stat().st_ino for path in folder.iterdir()}
    assert after["2024-01.csv"] == before["2024-01.csv"]
    assert after["2024-02.csv"] != before["2024-02.csv"]
    (tmp_path / "b.csv").unlink()
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,2,3.50,")
    converted(tmp_path)
    assert [path.name for path in folder.iterdir()] == ["2024-01.csv"]


@pytest.mark.parametrize(
    ("decimal", "text", "amount"),
    [
        (".", "1,250.00", "1250.000000"),
        (".", "$15.00", "15.000000"),
        (".", "15.00 GBP", "15.000000"),
        (",", "1.234,56 €", "1234.560000"),
        (",", "1 234,56", "1234.560000"),
        (".", "1'234.56", "1234.560000"),
        (".", "US$1.50", "1.500000"),
        (",", "100,50 kr", "100.500000"),
        (",", "100,-", "100.000000"),
        (".", "Rs. 1,100.00", "1100.000000"),
    ],
)
def test_amounts_as_shops_write_them(tmp_path: Path, decimal: str, text: str, amount: str) -> None:
    layout = LAYOUT.model_copy(update={"decimal": decimal})
    put(tmp_path, "a.csv", f'1,2024-01-05,ann,P1,Tea,1,"{text}",')
    converted(tmp_path, layout)
    (row,) = landed(tmp_path, "transactions", "2024-01")
    assert row["amount"] == amount


@pytest.mark.parametrize("text", ["617,28- €", "-617,28", "(617,28)"])
def test_a_minus_at_either_end(tmp_path: Path, text: str) -> None:
    layout = LAYOUT.model_copy(update={"decimal": ","})
    put(tmp_path, "a.csv", f'1,2024-01-05,ann,P1,Tea,1,"{text}",')
    assert kinds(converted(tmp_path, layout)) == {"return": (1, "-617.28")}


@pytest.mark.parametrize(
    ("order", "text"), [("ymd", "2024-2-1"), ("mdy", "2/1/2024 12:05 AM"), ("dmy", "01.02.2024")]
)
def test_days_in_each_order(tmp_path: Path, order: str, text: str) -> None:
    put(tmp_path, "a.csv", f"1,{text},ann,P1,Tea,1,1.00,")
    assert converted(tmp_path, LAYOUT.model_copy(update={"date_order": order})).first_day == date(2024, 2, 1)


def test_people_are_the_same_in_any_case_and_some_texts_are_nobody(tmp_path: Path) -> None:
    layout = Layout.model_validate(
        {
            **LAYOUT.model_dump(by_alias=True),
            "fields": {**LAYOUT.fields, "customer_id": ["Status", "Customer"]},
        }
    )
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,17,P1,Tea,1,1.00,Ann@Example.org ",
        "2,2024-01-05,17,P1,Tea,1,1.00,ann@example.org",
        "3,2024-01-05,17.0,P1,Tea,1,1.00,",
        "4,2024-01-05,0,P1,Tea,1,1.00,NULL",
    )
    converted(tmp_path, layout)
    found = {row["order_id"]: row["customer_id"] for row in landed(tmp_path, "transactions", "2024-01")}
    made = f"person-{sha256(b'ann@example.org').hexdigest()[:16]}"
    assert found == {"1": made, "2": made, "3": "17", "4": ""}
    people = (tmp_path / "landing" / "_people.csv").read_text("utf-8").splitlines()
    assert people == ["customer_id,known_as", f"{made},ann@example.org"]


def test_a_discount_of_the_order_is_taken_off_its_lines(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,ann,P1,Tea,1,10.00,",
        "1,2024-01-05,ann,P2,Pot,1,20.00,",
        "1,2024-01-05,ann,DISCOUNT,,1,-1.00,",
        "2,2024-01-05,bob,P1,Tea,1,10.00,",
    )
    found = converted(tmp_path)
    assert found.sold == Decimal("39.00")
    amounts = [row["amount"] for row in landed(tmp_path, "transactions", "2024-01")]
    assert amounts == ["9.670000", "19.330000", "10.000000"]


@settings(deadline=None, max_examples=25)  # each example reads a file
@given(st.lists(st.integers(1, 10_000), min_size=1, max_size=6), st.integers(0, 10_000))
def test_a_discount_is_spread_to_the_cent(
    tmp_path_factory: pytest.TempPathFactory, prices: list[int], off: int
) -> None:
    folder = tmp_path_factory.mktemp("discount")
    lines = [f"1,2024-01-05,ann,P{n},Tea,1,{cents / 100:.2f}," for n, cents in enumerate(prices)]
    put(folder, "a.csv", *lines, f"1,2024-01-05,ann,DISCOUNT,,1,-{off / 100:.2f},")
    assert look_at(sources(), folder).sold == Decimal(max(0, sum(prices) - off)) / 100


def test_an_amount_that_a_line_refunds_is_a_return_of_its_order(tmp_path: Path) -> None:
    layout = Layout.model_validate(
        {**LAYOUT.model_dump(by_alias=True), "fields": {**LAYOUT.fields, "refunded": ["Status"]}, "kinds": []}
    )
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,1,10.00,4.00", "2,2024-01-05,ann,P1,Tea,1,10.00,0.00")
    found = converted(tmp_path, layout)
    assert (found.sold, found.returned) == (Decimal("20.00"), Decimal("4.00"))
    (row,) = landed(tmp_path, "returns", "2024-01")
    assert (row["return_id"], row["order_id"], row["amount"]) == ("1-r1", "1", "4.000000")


def test_part_of_a_unit_counts_as_whole_units_and_its_amount_stays(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Cable,1.5,20.00,", "2,2024-01-05,ann,P1,Cable,0.2,20.00,")
    converted(tmp_path)
    rows = landed(tmp_path, "transactions", "2024-01")
    assert [(row["quantity"], row["amount"]) for row in rows] == [("2", "30.000000"), ("1", "4.000000")]


def test_files_with_another_header_need_a_layout_of_their_own(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,1,10.00,")
    other = "No;Date;Buyer;Item;Units;Total"
    put(tmp_path, "b.csv", "2;05.02.2024;bob;P1;2;7,00", header=other)
    with pytest.raises(PlatformError) as stopped:
        converted(tmp_path)
    assert str(stopped.value) == (
        "b.csv: sources.yaml has no layout with its header (new: Buyer, Date, No, Total, Units; missing: Customer, Day, "
        "Name, Order, Price, Qty, Status); run 'cip adopt' again with this file"
    )
    fields: Mapping[str, str] = {
        "order_id": "No",
        "date": "Date",
        "customer_id": "Buyer",
        "line_total": "Total",
    }
    second = Layout.model_validate(
        {"header": other.split(";"), "fields": fields, "date_order": "dmy", "decimal": ","}
    )
    found = converted(tmp_path, LAYOUT, second)
    assert (found.orders, found.sold, found.last_day) == (2, Decimal("17.00"), date(2024, 2, 5))


def test_an_id_that_looks_shortened_by_chance_is_kept(tmp_path: Path) -> None:
    orders = ["8e726096", *(f"8f72609{n}" for n in range(9))]
    put(tmp_path, "a.csv", *(f"{order},2024-01-05,ann,P1,Tea,1,10.00," for order in orders))
    assert converted(tmp_path).orders == 10


@pytest.mark.parametrize("order", ["1.12435E+17", "112435000000001000"])
def test_ids_that_lost_digits_stop_everything(tmp_path: Path, order: str) -> None:
    put(tmp_path, "a.csv", f"{order},2024-01-05,ann,P1,Tea,1,10.00,")
    with pytest.raises(
        PlatformError, match=r"^a\.csv, line 2: order ids like .* have lost digits in a spreadsheet"
    ):
        converted(tmp_path)
    assert not (tmp_path / "landing").exists()


def test_kinds_that_are_no_sql_are_named(tmp_path: Path) -> None:
    layout = Layout.model_validate(
        {**LAYOUT.model_dump(by_alias=True), "kinds": [{"is": "test", "when": "state = 'x'"}]}
    )
    put(tmp_path, "a.csv", "1,2024-01-05,ann,P1,Tea,1,10.00,")
    with pytest.raises(
        PlatformError,
        match=r'^sources\.yaml: exports\.0, layout records: its kinds are no valid SQL: .*"state"',
    ):
        converted(tmp_path, layout)


def test_a_pattern_without_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlatformError, match=r"^sources\.yaml: no file matches '\*\.csv'"):
        converted(tmp_path)


# --- amounts of orders, versions, currencies -------------------------------------------------------------------

SHOP = ("Order", "Day", "Buyer", "Item", "Total", "Voucher", "Refund", "Paid", "Currency", "Changed")
SHOP_LAYOUT = Layout.model_validate(
    {
        "header": SHOP,
        "fields": {
            "order_id": "Order",
            "date": "Day",
            "customer_id": "Buyer",
            "product_id": "Item",
            "line_total": "Total",
            "order_discount": "Voucher",
            "order_refunded": "Refund",
            "charged": "Paid",
            "currency": "Currency",
            "updated_at": "Changed",
        },
    }
)


def shop(folder: Path, *lines: str, name: str = "a.csv", **given: str) -> Summary:
    """Convert records of SHOP, with cells between bars."""
    put(folder, name, *(line.replace(" ", "").replace("|", ",") for line in lines), header=",".join(SHOP))
    return convert(sources(SHOP_LAYOUT).model_copy(update=given), folder, folder / "landing")


def column(rows: list[dict[str, str]], name: str) -> list[str]:
    return [row[name] for row in rows]


def test_amounts_of_an_order_count_once_on_each_record_or_on_the_first(tmp_path: Path) -> None:
    found = shop(
        tmp_path,
        "1 | 2024-01-05 | ann | P1 | 10 | 3 | 0 | 25 | EUR |",
        "1 | 2024-01-05 | ann | P2 | 20 | 3 | 0 | 25 | EUR |",
        "2 | 2024-01-06 | bob | P1 | 10 |   |   | 14 | EUR |",
    )
    assert (found.sold, found.charged, found.currency) == (Decimal("37.00"), Decimal("39.00"), "EUR")
    rows = landed(tmp_path, "transactions", "2024-01")
    assert column(rows, "amount") == ["9.000000", "18.000000", "10.000000"]
    assert column(rows, "charged") == ["8.330000", "16.670000", "14.000000"]  # adds up to 25.00
    assert column(rows, "currency") == ["EUR"] * 3


@pytest.mark.parametrize(
    ("refund", "goods"),
    [("34", "30.00"), ("40", "30.00"), ("31", "30.00"), ("12", "12.00")],
    ids=["all that was paid", "more than was paid", "more than the goods", "a part"],
)
def test_the_goods_part_of_a_refund(tmp_path: Path, refund: str, goods: str) -> None:
    found = shop(
        tmp_path,
        f"1 | 2024-01-05 | ann | P1 | 10 | | {refund} | 34 | EUR |",
        f"1 | 2024-01-05 | ann | P2 | 20 | | {refund} | 34 | EUR |",
    )
    assert (found.returned, found.refunded) == (Decimal(goods), Decimal(refund))
    (row,) = landed(tmp_path, "returns", "2024-01")
    assert (row["order_id"], row["amount"], row["refunded"]) == ("1", f"{goods}0000", f"{refund}.000000")


def test_the_newest_version_of_an_order_replaces_all_of_its_lines(tmp_path: Path) -> None:
    found = shop(
        tmp_path,
        "1 | 2024-01-05 | ann | P1 | 10 | | | | | 2024-01-05T10:00:00Z",
        "1 | 2024-01-05 | ann | P2 | 20 | | | | | 2024-01-05T10:00:00Z",
        "1 | 2024-01-05 | ann | P3 | 12 | | | | | 2024-01-05T11:30:00+01:00",
    )
    # 11:30 in the next zone is 10:30. Each version in a file of its own would do the same.
    assert kinds(found)["sale"] == (3, "42.00")  # one file has one version of an order
    (tmp_path / "a.csv").unlink()
    shop(tmp_path, "1 | 2024-01-05 | ann | P3 | 12 | | | | | 2024-01-05T11:30:00+01:00", name="a.csv")
    found = shop(
        tmp_path,
        "1 | 2024-01-05 | ann | P1 | 10 | | | | | 2024-01-05T10:00:00Z",
        "1 | 2024-01-05 | ann | P2 | 20 | | | | | 2024-01-05T10:00:00Z",
        name="b.csv",
    )
    assert kinds(found) == {"superseded": (2, "30.00"), "sale": (1, "12.00")}


def test_several_currencies_without_rates_have_no_total(tmp_path: Path) -> None:
    lines = (
        "1 | 2024-01-05 | ann | P1 | 10 | | | 10 | EUR |",
        "2 | 2024-01-06 | bob | P1 | 20 | | | 20 | USD |",
        "3 | 2024-02-06 | bob | P1 | 30 | | | 30 | USD |",
        "4 | 2024-02-07 | cid | P1 | 40 | | | 40 |     |",
    )
    found = shop(tmp_path, *lines)
    assert (found.orders, found.sold, found.charged, found.currency) == (4, None, None, "mixed")
    rows = landed(tmp_path, "transactions", "2024-01")
    assert [(row["amount"], row["original_amount"], row["currency"]) for row in rows] == [
        ("", "10.000000", "EUR"),
        ("", "20.000000", "USD"),
    ]
    (tmp_path / "rates.txt").write_text(
        "day,currency,rate\n2024-01-01,USD,0.9\n2024-02-01,USD,0.95\n", encoding="utf-8"
    )
    found = shop(tmp_path, *lines, currency="EUR", rates="rates.txt")
    assert found.sold is None  # nobody knows what the last order cost
    found = shop(tmp_path, *lines[:3], currency="EUR", rates="rates.txt")
    assert (found.sold, found.charged) == (Decimal("56.50"), Decimal("56.50"))  # 10 + 20 * 0.9 + 30 * 0.95


def test_one_currency_is_that_of_records_that_do_not_name_it(tmp_path: Path) -> None:
    found = shop(
        tmp_path,
        "1 | 2024-01-05 | ann | P1 | 10   | | | | EUR |",
        "2 | 2024-01-06 | bob | P1 | 20   | | | |     |",
        "3 | 2024-01-06 | bob | P1 | €5   | | | |     |",
    )
    assert (found.sold, found.currency) == (Decimal("35.00"), "EUR")


def test_a_dollar_sign_is_the_dollar_that_others_name(tmp_path: Path) -> None:
    lines = ("1 | 2024-01-05 | ann | P1 | 10 | | | | CAD |", "2 | 2024-01-06 | bob | P1 | $20 | | | | |")
    assert shop(tmp_path, *lines).currency == "CAD"
    assert shop(tmp_path, lines[0].replace("CAD", "EUR"), lines[1]).currency == "mixed"
    assert shop(tmp_path, lines[1]).currency is None


def test_rates_that_cannot_be_read_are_named_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "rates.txt").write_text(
        "day,currency,rate\n2024-01-01,USD,0.9\n2024-02-01,USD,x\n", encoding="utf-8"
    )
    with pytest.raises(PlatformError, match=r"rates\.txt, line 3: .* day \(2024-01-31\), currency"):
        shop(tmp_path, "1 | 2024-01-05 | ann | P1 | 10 | | | | EUR |", currency="EUR", rates="rates.txt")


@pytest.mark.parametrize(
    ("rate", "converted"),
    [
        ("0.0000612345", "61.23"),  # six places would give 61.00
        ("6.12345E-5", "61.23"),
        ("0.000000000001", "0.00"),
        ("99999999.999999999999", "100000000000000.00"),
    ],
)
def test_every_digit_of_a_rate_counts(tmp_path: Path, rate: str, converted: str) -> None:
    (tmp_path / "rates.txt").write_text(f"day,currency,rate\n2024-01-01,IDR,{rate}\n", encoding="utf-8")
    lines = (
        "1 | 2024-01-05 | ann | P1 | 1000000 | | | | IDR |",
        "2 | 2024-01-06 | bob | P1 | 1 | | | | EUR |",
    )
    found = shop(tmp_path, *lines, currency="EUR", rates="rates.txt")
    amounts = column(landed(tmp_path, "transactions", "2024-01"), "amount")
    assert amounts == [f"{converted}0000", "1.000000"]
    assert found.sold == sum(map(Decimal, amounts))


AMOUNTS = st.decimals(0, Decimal("999999999999.999999"), places=6)
RATES = st.decimals(Decimal("0.000000000001"), Decimal("99999999.999999999999"), places=12)


@settings(max_examples=100, deadline=None)
@given(amount=AMOUNTS, rate=RATES)
def test_a_conversion_is_exact_to_the_cent(amount: Decimal, rate: Decimal) -> None:
    with duckdb.connect() as connection, localcontext() as context:
        context.prec = 50
        connection.execute(orders.CONVERTED)
        ((found,),) = connection.execute(
            f"SELECT converted({amount}::DECIMAL(24, 6), {rate:f}::{orders.RATE})"
        ).fetchall()
        exact = (amount * rate).quantize(Decimal("0.01"), ROUND_HALF_UP)
        assert found == (exact if exact < 10**18 else None)


@pytest.mark.parametrize("rate", ["0.0000000000001", "100000000", "0", "-0.9", "1e-13"])
def test_a_rate_that_cannot_be_exact_is_named_with_its_line(tmp_path: Path, rate: str) -> None:
    (tmp_path / "rates.txt").write_text(
        f"day,currency,rate\n2024-01-01,USD,0.9\n2024-02-01,USD,{rate}\n", encoding="utf-8"
    )
    with pytest.raises(
        PlatformError, match=rf"rates\.txt, line 3: the rate {rate} is not above 0 and below 100,000"
    ):
        shop(tmp_path, "1 | 2024-01-05 | ann | P1 | 10 | | | | EUR |", currency="EUR", rates="rates.txt")


def test_an_amount_that_no_table_takes_is_not_converted(tmp_path: Path) -> None:
    (tmp_path / "rates.txt").write_text("day,currency,rate\n2024-01-01,IDR,0.00006\n", encoding="utf-8")
    lines = (
        "1 | 2024-01-05 | ann | P1 | 1000000000000 | | | | IDR |",
        "2 | 2024-01-06 | bob | P1 | 1 | | | | EUR |",
    )
    assert shop(tmp_path, *lines, currency="EUR", rates="rates.txt").sold is None
    (first, _) = landed(tmp_path, "transactions", "2024-01")
    assert (first["amount"], first["original_amount"]) == ("", "1000000000000.000000")


def test_without_any_buyer_the_buyers_are_unknown(tmp_path: Path) -> None:
    found = shop(tmp_path, "1 | 2024-01-05 | | P1 | 10 | | | | |")
    assert (found.orders, found.buyers, found.guest_orders) == (1, None, None)


def test_a_discount_of_no_order_is_taken_off_an_earlier_order_of_the_customer(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,ann,P1,Tea,2,50.00,",
        "2,2024-01-06,ann,P1,Tea,1,5.00,",
        "3,2024-01-06,bob,P1,Tea,1,90.00,",
        "D1,2024-01-07,ann,DISCOUNT,,-1,12.50,",
    )
    assert converted(tmp_path).sold == Decimal("182.50")
    rows = landed(tmp_path, "transactions", "2024-01")
    assert column(rows, "amount") == ["87.500000", "5.000000", "90.000000"]


# --- records made by SQL ----------------------------------------------------------------------------------------

WIDE = ("Order", "Day", "Item 1", "Price 1", "Item 2", "Price 2")
SQL = """\
SELECT _file, _line, "Order", "Day", "Item 1" AS item, "Price 1" AS price FROM wide
UNION ALL
SELECT _file, _line, "Order", "Day", "Item 2", "Price 2" FROM wide WHERE "Item 2" IS NOT NULL AND "Note" IS NULL
"""


def wide(folder: Path, sql: str = SQL) -> Summary:
    (folder / "sources").mkdir(exist_ok=True)
    layout = Layout.model_validate(
        {
            "name": "wide",
            "header": WIDE,
            "absent": ["Note"],
            "records": {"name": "sources/wide.sql", "sql": sql},
            "fields": {"order_id": "Order", "date": "Day", "product_id": "item", "line_total": "price"},
        }
    )
    return converted(folder, layout)


def test_sql_makes_the_records_and_each_keeps_its_place(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,P1,10,P2,5",
        "2,2024-01-06,P1,10,,",
        "3,2024-01-06",
        header=",".join(WIDE),
    )
    found = wide(tmp_path)
    assert kinds(found) == {"sale": (3, "25.00"), "broken": (1, "0")}
    rows = landed(tmp_path, "transactions", "2024-01")
    assert [(row["transaction_id"], row["export_line"], row["amount"]) for row in rows] == [
        ("1-1", "2", "10.000000"),
        ("1-2", "2", "5.000000"),
        ("2-1", "3", "10.000000"),
    ]


def test_a_line_that_sql_leaves_out_is_named(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,P1,10,,", "2,2024-01-06,P1,20,,", header=",".join(WIDE))
    found = wide(tmp_path, """SELECT *, "Item 1" AS item, "Price 1" AS price FROM wide WHERE "Order" = '1'""")
    assert kinds(found) == {"not_used": (1, "0"), "sale": (1, "10.00")}
    left_out = (tmp_path / "landing" / "_left_out.csv").read_text("utf-8").splitlines()[1:]
    assert left_out == ['a.csv,3,not_used,"2,2024-01-06,P1,20,,"']


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        (
            "SELECT _file, _line,\n  nothing FROM wide",
            r"^sources/wide\.sql, line 2: .*nothing.*; correct the SQL$",
        ),
        ("SELECT _file FROM wide", r"^sources/wide\.sql: its records have no _line; select both"),
    ],
)
def test_wrong_sql_is_named_with_its_line(tmp_path: Path, sql: str, message: str) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,P1,10,,", header=",".join(WIDE))
    with pytest.raises(PlatformError, match=message):
        wide(tmp_path, sql)


def test_an_order_that_is_one_record_with_several_lines_has_versions_in_one_file(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,P1,10,P2,5",
        "1,2024-01-05,P1,10,P2,5",  # sent twice
        "2,2024-01-06,P1,10,,",
        header=",".join(WIDE),
    )
    layout = Layout.model_validate(
        {
            "name": "wide",
            "header": WIDE,
            "absent": ["Note"],
            "records": {"name": "wide.sql", "sql": SQL.replace("_line,", "_line, _line AS _record,")},
            "fields": {"order_id": "Order", "date": "Day", "line_total": "price", "updated_at": "Day"},
        }
    )
    assert kinds(converted(tmp_path, layout)) == {"sale": (3, "25.00"), "superseded": (2, "15.00")}


PAID = Layout.model_validate(
    {
        "header": ["Order", "Day", "Item", "Price", "Back", "Payment"],
        "fields": {
            "order_id": "Order",
            "date": "Day",
            "product_id": "Item",
            "line_total": "Price",
            "refunded": "Back",
            "document_id": "Payment",
        },
        "notes": "^[0-9]+ payments",
    }
)


def test_a_newer_file_repeats_a_document_and_not_the_order(tmp_path: Path) -> None:
    header = ",".join(PAID.header)
    put(tmp_path, "a.csv", "1,2024-01-05,Tea,10,,p1", "1,2024-01-05,Tea,20,,p2", header=header)
    put(tmp_path, "b.csv", "1,2024-01-09,Cup,21,,p2", "1,2024-01-09,Tea,30,,p3", header=header)
    assert kinds(converted(tmp_path, PAID)) == {"sale": (3, "61.00"), "superseded": (1, "20.00")}


def test_a_return_may_give_back_more_than_its_goods(tmp_path: Path) -> None:
    lines = ("1,2024-01-05,Tea,10,,p1", "1,2024-01-06,Tea,-4,-5.50,p2", "1,2024-01-07,Tea,-1,0,p3")
    put(tmp_path, "a.csv", *lines, header=",".join(PAID.header))
    found = converted(tmp_path, PAID)
    assert (found.returned, found.refunded) == (Decimal("5.00"), Decimal("6.50"))


def test_notes_among_the_records_are_not_broken_records(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,Tea,10,,p1", "1 payments", "1,Tea", header=",".join(PAID.header))
    assert {kind: count for kind, (count, _) in kinds(converted(tmp_path, PAID)).items()} == {
        "sale": 1,
        "summary": 1,
        "broken": 1,
    }


# --- returns and the lines that they undo -------------------------------------------------------------------------


def test_a_return_is_linked_to_the_latest_line_that_fits(tmp_path: Path) -> None:
    put(
        tmp_path,
        "a.csv",
        "1,2024-01-05,ann,P1,Tea,5,2.00,",
        "2,2024-01-08,ann,P1,Tea,3,2.00,",
        "3,2024-01-09,ann,P1,Tea,1,2.00,",  # too few units
        "4,2024-01-20,ann,P1,Tea,9,2.00,",  # too late
        "5,2024-01-05,bob,P1,Tea,9,2.00,",  # of somebody else
        "C1,2024-01-10,ann,P1,Tea,-2,2.00,",
        "C2,2024-01-11,ann,P1,Tea,-2,2.00,",  # one unit is left of order 2, so it is of order 1
        "C3,2024-01-12,ann,P9,Tea,-1,2.00,",  # never bought
        "2,2024-01-21,ann,P1,Tea,-1,2.00,",  # of the order that it names, though a later one fits
    )
    found = converted(tmp_path)
    assert (found.returns, found.linked_returns) == (4, 3)
    rows = {row["return_id"]: row for row in landed(tmp_path, "returns", "2024-01")}
    assert {key: (row["transaction_id"], row["order_id"]) for key, row in rows.items()} == {
        "C1-r1": ("2-1", "2"),
        "C2-r1": ("1-1", "1"),
        "C3-r1": ("", "C3"),
        "2-r1": ("2-1", "2"),
    }


# --- orders from a database ----------------------------------------------------------------------------------


def test_an_order_that_was_fetched_again_replaces_all_of_its_records(tmp_path: Path) -> None:
    """Unlike in files, its products may all be others now, or its return may be gone."""
    folder = tmp_path / "fetched" / "shop"
    folder.mkdir(parents=True)

    def fetched(number: int, *lines: str) -> None:
        rows = csv.DictReader([",".join(HEADER), *lines])
        table = pa.Table.from_pylist(list(rows))
        pq.write_table(table, folder / f"shop-{number:07}.parquet")

    fetched(
        1,
        "1,2024-01-05,ann,P1,Tea,1,3.50,",
        "1,2024-01-09,ann,P1,Tea,-1,3.50,",
        "2,2024-03-06,bob,P1,Tea,1,3.50,",
    )
    fetched(2, "1,2024-01-05,ann,P2,Pot,1,9.00,")
    database = {
        "name": "shop",
        "url": "sqlite:///shop.db",
        "table": "lines",
        "cursor": "Day",
        "order": "Order",
    }
    found = sources(files="fetched/shop/*.parquet").model_copy(
        update={"databases": (Database.model_validate(database),)}
    )
    summary = convert(found, tmp_path, tmp_path / "landing")
    assert kinds(summary) == {"sale": (2, "12.50"), "superseded": (2, "0")}
    assert [row["product_id"] for row in landed(tmp_path, "transactions", "2024-01")] == ["P2"]


def test_a_record_that_deletes_an_order_removes_all_of_its_older_lines(tmp_path: Path) -> None:
    header = (*HEADER, "Deleted")
    layout = Layout.model_validate(
        {
            **LAYOUT.model_dump(by_alias=True),
            "header": header,
            "kinds": [{"is": "deleted", "when": "record['Deleted'] = 'true'"}],
        }
    )
    names = ",".join(header)
    for day, lines in (
        ("2024-02-01", ("1,2024-01-05,ann,P1,Tea,1,10.00,,", "1,2024-01-05,ann,P2,Pot,1,5.00,,")),
        ("2024-02-02", ("1,2024-01-05,,,,,,,true", "2,2024-01-06,bob,P1,Tea,1,10.00,,")),
    ):
        (tmp_path / f"dt={day}").mkdir()
        put(tmp_path / f"dt={day}", "a.csv", *lines, header=names)
    found = convert(sources(layout, files="*/a.csv"), tmp_path, tmp_path / "landing")
    assert kinds(found) == {"superseded": (2, "15.00"), "deleted": (1, "0"), "sale": (1, "10.00")}


def test_sql_cannot_invent_lines(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", "1,2024-01-05,P1,10,,", header=",".join(WIDE))
    invented = """SELECT _file, _line + 7 AS _line, "Order", "Day", 'P1' AS item, '9' AS price FROM wide"""
    with pytest.raises(PlatformError, match=r"^a\.csv, line 9: is not in the file, by the SQL of exports\.0"):
        wide(tmp_path, invented)
