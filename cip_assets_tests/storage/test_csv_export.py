"""CSV exports: reproducible bytes that any CSV reader understands, and files that are old or new, never partial."""

import csv
import hashlib
import json
import multiprocessing
import os
import re
import signal
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import CommitProperties, write_deltalake
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import PersonalData, Rules, load_rules
from cip_assets.layers import CSV_FILES, contract_of, contracts_in
from cip_assets.layers.marts.kpi_top_products import kpi_top_products
from cip_assets.orchestration.assets.code_version import code_version
from cip_assets.orchestration.assets.exports import how_shown
from cip_assets.storage import csv_export as exports
from cip_assets.storage.csv_export import export_csv
from cip_assets.storage.files import Written, scratch_beside

BY_NAME = {export.name: export for export in CSV_FILES}
DAY = date(2024, 3, 31)


class Final:
    """Marts in a scratch lake, and the folder of their exports."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folder = root / "final"
        self.rules = load_rules()

    def by_rules(self, **sections: Any) -> None:
        """Write files with other sections of the rules."""
        self.rules = self.rules.model_copy(update=sections)

    def written_with(self, **switches: bool) -> None:
        """Set switches of the rules' section ``exports``."""
        self.by_rules(exports=self.rules.exports.model_copy(update=switches))

    def uri(self, mart: str) -> str:
        return str(self.root / "lake" / "marts" / mart)

    def mart(self, mart: str, *rows: Mapping[str, Any], day: date = DAY) -> None:
        """Append rows to a day of a mart; columns that they do not name are null."""
        schema = to_arrow_schema(contract_of("marts", mart).spark_schema)
        table = pa.Table.from_pylist([{"as_of_date": day, **row} for row in rows], schema)
        audit = CommitProperties(custom_metadata={"userMetadata": json.dumps({"partition": str(day)})})
        write_deltalake(
            self.uri(mart), table, partition_by=["as_of_date"], mode="append", commit_properties=audit
        )

    def export(self, name: str, day: date = DAY) -> Written:
        return export_csv(BY_NAME[name], self.uri(BY_NAME[name].mart.table), day, self.folder, self.rules)

    def text(self, name: str) -> str:
        return (self.folder / f"{name}.csv").read_bytes().decode()

    def rows(self, name: str) -> list[dict[str, str]]:
        """The file as Python's csv module reads it."""
        with (self.folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file, strict=True))

    def problems(self, name: str, day: date = DAY) -> Sequence[str]:
        uri = self.uri(BY_NAME[name].mart.table)
        return exports.problems_of(BY_NAME[name], uri, day.isoformat(), self.folder, self.rules)


@pytest.fixture
def final(tmp_path: Path) -> Final:
    return Final(tmp_path)


# --- content of the files ---------------------------------------------------------------------------------


def test_rows_are_sorted_independent_of_their_order_in_the_table(final: Final) -> None:
    for key in ("C2", "C10", "c1", "C1", "É"):
        final.mart("customer_360", {"customer_id": key})
    exported = final.export("customer_segments")
    assert [row["customer_id"] for row in final.rows("customer_segments")] == ["C1", "C10", "C2", "c1", "É"]
    assert exported.row_count == 5


def test_fields_are_quoted_if_rfc_4180_requires_it_and_nulls_are_empty(final: Final) -> None:
    final.mart(
        "customer_360", {"customer_id": "C1", "region": 'the "far", north', "rfm_segment": "Can't Lose"}
    )
    final.mart("customer_360", {"customer_id": "C2", "region": "two\nlines", "is_churn_risk": True})
    final.mart("customer_360", {"customer_id": "C3", "is_churn_risk": False})
    final.export("customer_segments")
    assert final.text("customer_segments") == (
        "customer_id,rfm_segment,value_segment,customer_segment,region,is_churn_risk\n"
        'C1,Can\'t Lose,,,"the ""far"", north",\n'
        'C2,,,,"two\nlines",true\n'
        "C3,,,,,false\n"
    )


def test_money_has_two_decimals_ratios_have_six_and_days_are_iso_8601(final: Final) -> None:
    final.mart(
        "customer_360",
        {
            "customer_id": "C1",
            "frequency": 3,
            "monetary_value": Decimal("1234567890123456.70"),
            "net_revenue": Decimal("-0.50"),
            "return_rate": Decimal("0.333333"),
            "avg_resolution_days": Decimal(2),
            "total_returns": 0,
            "first_purchase_date": date(2024, 1, 5),
        },
    )
    final.export("customer_kpis")
    final.export("customer_360")
    assert final.rows("customer_kpis") == [
        {
            "customer_id": "C1",
            "frequency": "3",
            "monetary_value": "1234567890123456.70",
            "avg_order_value": "",
            "net_revenue": "-0.50",
            "total_returns": "0",
            "return_rate": "0.333333",
            "total_sessions": "",
            "active_days": "",
            "total_tickets": "",
            "open_tickets": "",
            "avg_resolution_days": "2.000000",
        }
    ]
    (customer,) = final.rows("customer_360")
    assert (customer["first_purchase_date"], customer["as_of_date"]) == ("2024-01-05", "2024-03-31")


def test_months_are_written_as_year_and_month(final: Final) -> None:
    figures = {"monthly_revenue": Decimal("10.00"), "orders": 2, "buyers": 1}
    for month, is_complete in ((date(2024, 2, 1), False), (date(2023, 12, 1), True)):
        final.mart("kpi_monthly_revenue", {"month": month, **figures, "is_complete": is_complete})
    final.export("kpi_monthly_revenue")
    assert final.text("kpi_monthly_revenue") == (
        "month,monthly_revenue,orders,buyers,is_complete\n2023-12,10.00,2,1,true\n2024-02,10.00,2,1,false\n"
    )


def test_only_the_requested_day_is_exported(final: Final) -> None:
    final.mart("customer_360", {"customer_id": "C1"})
    final.mart("customer_360", {"customer_id": "C1"}, {"customer_id": "C2"}, day=date(2024, 4, 1))
    assert final.export("customer_segments").row_count == 1
    assert final.export("customer_segments", date(2024, 4, 1)).row_count == 2


PIECES = ['"', ",", "\n", "\r", ";", "'", "\\", "\t", " ", "#", "ü", "null", "=", "-"]
TEXTS = ["".join(text) for length in (1, 2, 3) for text in product(PIECES, repeat=length)]
"""All texts of up to three pieces that have a meaning in a CSV dialect or a spreadsheet."""


def test_any_text_is_read_back_unchanged_if_formulas_are_not_neutralized(final: Final) -> None:
    final.written_with(neutralize_formulas=False)
    final.mart("customer_360", *({"customer_id": text, "region": text[::-1]} for text in TEXTS))
    final.mart("customer_360", {"customer_id": "x", "region": ""}, {"customer_id": "y", "region": None})
    final.export("customer_segments")
    expected = {**{text: text[::-1] for text in TEXTS}, "x": "", "y": ""}
    assert [(row["customer_id"], row["region"]) for row in final.rows("customer_segments")] == sorted(
        expected.items()
    )
    assert final.problems("customer_segments") == []


# --- spreadsheets -----------------------------------------------------------------------------------------


CELLS = {
    "=1+1": "'=1+1",
    "+1": "'+1",
    "-1": "'-1",
    "@SUM(1)": "'@SUM(1)",
    "\uff1d1": "'\uff1d1",
    "\uff0b1": "'\uff0b1",
    "\uff0d1": "'\uff0d1",
    "\uff201": "'\uff201",
    "\tx": "'\tx",
    "\rx": "'\rx",
    "\nx": "'\nx",
    # In countries that separate by semicolons, a cell begins after each semicolon and after a line break.
    "North;=1+1": "North;'=1+1",
    "North\n=1+1;-2": "North\n'=1+1;'-2",
    # Different texts stay different.
    "'=1+1": "''=1+1",
    "1-1=0": "1-1=0",
    "O'Hara @ home": "O'Hara @ home",
    "'quoted'": "'quoted'",
    "2024-01": "2024-01",
    "": "",
}
"""Texts, each with its cell."""


def test_text_that_a_spreadsheet_would_treat_as_a_formula_gets_an_apostrophe(final: Final) -> None:
    texts = [{"customer_id": f"{place:03}", "region": text} for place, text in enumerate(CELLS)]
    final.mart("customer_360", *({**row, "net_revenue": Decimal("-5.00")} for row in texts))
    for name in ("customer_segments", "customer_kpis"):
        final.export(name)
        assert final.problems(name) == []
    shown = [row["region"] for row in final.rows("customer_segments")]
    assert dict(zip(CELLS, shown, strict=True)) == CELLS
    assert {row["net_revenue"] for row in final.rows("customer_kpis")} == {"-5.00"}


def test_no_cell_begins_with_a_formula_and_ids_stay_distinct_and_join(final: Final) -> None:
    final.mart("customer_360", *({"customer_id": text, "region": text} for text in TEXTS))
    for name in ("customer_segments", "customer_kpis", "customer_360"):
        final.export(name)
        assert final.problems(name) == []
    shown = [row["customer_id"] for row in final.rows("customer_segments")]
    assert shown == sorted(set(shown))
    assert len(shown) == len(TEXTS)
    assert shown == [row["customer_id"] for row in final.rows("customer_kpis")]
    cells = [cell for row in final.rows("customer_360") for cell in row.values() if cell]
    assert not [cell for cell in cells if cell[0] in "=-\t\r\n"]
    # Also not if lines and semicolons separate the cells, and quotes do not count.
    split = re.split(r"[;\r\n]", (final.folder / "customer_segments.csv").read_bytes().decode())
    assert not [cell for cell in split if cell[:1] in {"=", "-"}]


def test_a_shown_name_and_a_masked_email_are_also_not_formulas(final: Final) -> None:
    allowed = final.rules.personal_data.model_copy(update={"first_name": "shown", "last_name": "masked"})
    final.by_rules(personal_data=allowed)
    formulas = {"first_name": "=1+1", "last_name": "@SUM(1)", "email": "=cmd@x.test"}
    final.mart("customer_360", {"customer_id": "C1", **formulas})
    final.export("customer_360")
    (row,) = final.rows("customer_360")
    assert [row[name] for name in formulas] == ["'=1+1", "'@***", "'=***@x.test"]


def test_with_a_byte_order_mark_all_our_readers_read_the_same(final: Final) -> None:
    final.mart("kpi_totals", {"total_revenue": Decimal("30.10"), "orphan_revenue": Decimal("30.10")})
    final.mart("kpi_monthly_revenue", {"month": DAY.replace(day=1), "monthly_revenue": Decimal("30.10")})
    final.mart("customer_360", {"customer_id": "Zoë", "region": "Österreich"})
    names = ("kpi_totals", "kpi_monthly_revenue", "customer_360")
    for name in names:
        final.export(name)
    sums, without = exports.sums_of(final.folder), {name: final.text(name) for name in names}

    final.written_with(byte_order_mark=True)
    for name in names:
        exported = final.export(name)
        content = exported.path.read_bytes()
        assert content == b"\xef\xbb\xbf" + without[name].encode()
        assert exported.sha256 == hashlib.sha256(content).hexdigest()
        assert exported.size_bytes == len(content)
        assert final.problems(name) == []
    assert exports.sums_of(final.folder) == sums
    assert sorted(path.name for path in final.folder.iterdir()) == sorted(f"{name}.csv" for name in names)


def test_the_file_format_rules_change_no_table(rules: Rules) -> None:
    def versions(**changed: object) -> tuple[str, str]:
        by = rules.model_copy(update=changed)
        return code_version(kpi_top_products.module, rules=by), how_shown(by)

    before = versions()
    for changed in (
        {"exports": rules.exports.model_copy(update={"byte_order_mark": True})},
        {"personal_data": rules.personal_data.model_copy(update={"email": "hidden"})},
    ):
        table, files = versions(**changed)
        assert table == before[0]
        assert files != before[1]
    assert versions(top_n=7)[0] != before[0]


# --- cohort retention -------------------------------------------------------------------------------------


def cohort(month: int, number: int, size: int, rate: str | None) -> dict[str, Any]:
    return {
        "cohort_month": date(2024, month, 1),
        "month_number": number,
        "cohort_size": size,
        "retention_rate": None if rate is None else Decimal(rate),
    }


def test_retention_has_a_column_for_each_month_and_no_rate_for_an_incomplete_one(final: Final) -> None:
    """Two cohorts in the middle of March: February's second month is not known yet."""
    final.mart(
        "cohort_retention",
        cohort(2, 0, 4, "1.000000"),
        cohort(2, 1, 4, None),
        cohort(1, 1, 3, "0.333333"),
        cohort(1, 0, 3, "1.000000"),
        cohort(1, 2, 3, None),
    )
    assert final.export("kpi_retention").row_count == 2
    assert final.text("kpi_retention") == (
        "cohort_month,cohort_size,month_0,month_1,month_2\n"
        "2024-01,3,1.000000,0.333333,\n"
        "2024-02,4,1.000000,,\n"
    )


def test_a_month_without_a_row_in_any_cohort_still_has_its_column(final: Final) -> None:
    final.mart("cohort_retention", cohort(1, 0, 3, "1.000000"), cohort(1, 12, 3, "0.666667"))
    final.export("kpi_retention")
    header = final.text("kpi_retention").splitlines()[0].split(",")
    assert header == ["cohort_month", "cohort_size", *(f"month_{number}" for number in range(13))]


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("kpi_retention", "cohort_month,cohort_size"),
        ("kpi_monthly_revenue", "month,monthly_revenue,orders,buyers,is_complete"),
        ("customer_segments", "customer_id,rfm_segment,value_segment,customer_segment,region,is_churn_risk"),
    ],
)
def test_a_day_without_rows_gives_the_header(final: Final, name: str, header: str) -> None:
    final.mart(BY_NAME[name].mart.table)
    assert final.export(name).row_count == 0
    assert final.text(name) == header + "\n"


@pytest.mark.parametrize("export", CSV_FILES, ids=lambda export: export.name)
def test_every_export_can_be_written_from_its_contract(final: Final, export: exports.CsvFile) -> None:
    """Each column exists, and each file is sorted by columns that it has."""
    final.mart(export.mart.table)
    header = final.export(export.name) and final.text(export.name).strip().split(",")
    assert set(export.order_by) <= set(header)
    assert len(set(header)) == len(header)


# --- whole files ------------------------------------------------------------------------------------------


def customers(*keys: str) -> list[dict[str, Any]]:
    return [{"customer_id": key, "region": "North"} for key in keys]


def test_the_same_table_gives_the_same_bytes(final: Final) -> None:
    final.mart("customer_360", *customers(*(f"C{number % 997:03}-{number}" for number in range(5000))))
    first = final.export("customer_segments")
    content = first.path.read_bytes()
    again = final.export("customer_segments")
    assert again == first
    assert again.path.read_bytes() == content
    assert (first.sha256, first.size_bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert first.row_count == content.count(b"\n") - 1 == 5000


def test_the_old_file_is_complete_until_the_new_one_is(final: Final, monkeypatch: pytest.MonkeyPatch) -> None:
    final.mart("customer_360", *customers("C1"))
    final.export("customer_segments")
    old = final.text("customer_segments")
    final.mart("customer_360", *customers("C2"))
    seen: list[str] = []
    monkeypatch.setattr(exports.os, "fsync", lambda _: seen.append(final.text("customer_segments")))

    final.export("customer_segments")

    assert seen == [old]
    assert "C2" in final.text("customer_segments")
    assert list(final.folder.iterdir()) == [final.folder / "customer_segments.csv"]


def test_a_failed_export_leaves_the_old_file_and_nothing_else(
    final: Final, monkeypatch: pytest.MonkeyPatch
) -> None:
    final.mart("customer_360", *customers("C1"))
    final.export("customer_segments")
    old = final.text("customer_segments")
    final.mart("customer_360", *customers("C2"))

    def disk_full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exports.os, "fsync", disk_full)
    with pytest.raises(OSError, match="No space left"):
        final.export("customer_segments")
    assert final.text("customer_segments") == old
    assert list(final.folder.iterdir()) == [final.folder / "customer_segments.csv"]


def test_what_a_killed_export_left_is_deleted_by_the_next_one(final: Final) -> None:
    final.mart("customer_360", *customers("C1"))
    target = final.folder / "customer_segments.csv"
    killed = multiprocessing.get_context("spawn").Process(target=killed_in_scratch, args=(target,))
    killed.start()
    killed.join()
    (left,) = final.folder.iterdir()
    assert (left / "part").exists()
    with scratch_beside(target) as in_use:
        assert not left.exists()
        final.export("customer_segments")
        assert in_use.exists()
    assert list(final.folder.iterdir()) == [target]


def killed_in_scratch(target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    with scratch_beside(target) as scratch:
        (scratch / "part").touch()
        os.kill(os.getpid(), signal.SIGKILL)


def test_files_are_written_into_a_folder_with_a_quote_in_its_name(tmp_path: Path) -> None:
    final = Final(tmp_path / "the shop's data")
    final.mart("customer_360", *customers("C1"))
    assert final.export("customer_segments").path.exists()


def test_a_mart_that_was_not_written_is_refused_and_leaves_no_file(final: Final) -> None:
    with pytest.raises(PlatformError, match="^marts/customer_360: 2024-03-31 was never computed"):
        final.export("customer_segments")
    assert list(final.folder.iterdir()) == []


def test_a_day_that_was_never_computed_is_refused_and_the_file_of_another_day_stays(final: Final) -> None:
    final.mart("customer_360", *customers("C1"))
    before = final.export("customer_segments").sha256
    with pytest.raises(PlatformError, match="^marts/customer_360: 2024-04-01 was never computed"):
        final.export("customer_segments", DAY + timedelta(days=1))
    assert hashlib.sha256(final.text("customer_segments").encode()).hexdigest() == before


# --- checking exported files ------------------------------------------------------------------------------


def test_an_unchanged_file_has_no_problems(final: Final) -> None:
    final.mart("customer_360", *customers("C1", "C2"), {"customer_id": "C3", "region": ""})
    final.mart(
        "customer_360", {"customer_id": "C4", "region": "x" * 3_000_000}
    )  # more than DuckDB takes by itself
    final.mart("cohort_retention", cohort(1, 0, 3, "1.000000"), cohort(1, 1, 3, None))
    for name in ("customer_segments", "customer_360", "kpi_retention"):
        final.export(name)
        assert final.problems(name) == []


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        pytest.param("C2,,,,North,\n", "", "1 row differs", id="a missing row"),
        pytest.param("C2,,,,North,\n", "C2,,,,North,\nC2,,,,North,\n", "1 row differs", id="a duplicate row"),
        pytest.param("C2,,,,North,", "C2,,,,South,", "2 rows differ", id="a different value"),
        pytest.param("region", "area", "header", id="a different column"),
        pytest.param("customer_id,", "no,customer_id,", "not a CSV file", id="an additional column"),
        pytest.param("C2,,,,North,", "C2,,,,North,,x", "not a CSV file", id="an additional field"),
    ],
)
def test_a_file_that_differs_from_its_mart_is_detected(
    final: Final, before: str, after: str, problem: str
) -> None:
    final.mart("customer_360", *customers("C1", "C2"))
    path = final.export("customer_segments").path
    path.write_text(path.read_text().replace(before, after))
    (found,) = final.problems("customer_segments")
    assert found.startswith("customer_segments.csv: ")
    assert problem in found


def test_a_missing_file_is_detected(final: Final) -> None:
    final.mart("customer_360", *customers("C1"))
    (found,) = final.problems("customer_segments")
    assert "customer_segments.csv is missing; export it again" in found


def test_the_revenue_of_each_file_is_summed(final: Final) -> None:
    totals = {"total_revenue": "30.10", "orphan_revenue": "3.05", "guest_revenue": "2.00"}
    final.mart("kpi_totals", {name: Decimal(amount) for name, amount in totals.items()})
    final.mart(
        "kpi_monthly_revenue",
        *({"month": date(2024, m, 1), "monthly_revenue": Decimal("15.05")} for m in (1, 2)),
    )
    final.mart(
        "customer_360",
        {"customer_id": "C1", "monetary_value": Decimal("25.05")},
        {"customer_id": "C2", "monetary_value": Decimal("0.00")},
    )
    for name in ("kpi_totals", "kpi_monthly_revenue", "customer_360"):
        final.export(name)
    assert exports.sums_of(final.folder) == {
        "kpi_totals": Decimal("30.10"),
        "kpi_monthly_revenue": Decimal("30.10"),
        "customer_360_orphans_and_guests": Decimal("30.10"),
    }


def test_the_revenue_of_a_file_with_an_unknown_amount_is_unknown(final: Final) -> None:
    final.mart("kpi_totals", {"orphan_revenue": Decimal("3.05"), "guest_revenue": Decimal("2.00")})
    months = (Decimal("15.05"), None)
    final.mart(
        "kpi_monthly_revenue",
        *({"month": date(2024, m, 1), "monthly_revenue": revenue} for m, revenue in enumerate(months, 1)),
    )
    final.mart(
        "customer_360", {"customer_id": "C1", "monetary_value": Decimal("25.05")}, {"customer_id": "C2"}
    )
    for name in ("kpi_totals", "kpi_monthly_revenue", "customer_360"):
        final.export(name)
    assert set(exports.sums_of(final.folder).values()) == {None}


# --- personal data --------------------------------------------------------------------------------------------

ADA = {
    "customer_id": "C1",
    "first_name": "Ada",
    "last_name": "Lovelace",
    "email": "ada@example.org",
    "date_of_birth": date(1990, 12, 10),
}


def personal(row: Mapping[str, str]) -> list[str]:
    return [row[name] for name in ("first_name", "last_name", "email", "date_of_birth")]


def test_by_default_names_and_birth_dates_are_hidden_and_emails_are_masked(
    final: Final,
) -> None:
    final.mart("customer_360", ADA, {"customer_id": "C2", "email": "no address"}, {"customer_id": "C3"})
    final.export("customer_360")
    assert [personal(row) for row in final.rows("customer_360")] == [
        ["", "", "a***@example.org", ""],
        ["", "", "***", ""],
        ["", "", "", ""],
    ]
    assert final.problems("customer_360") == []


E_MAILS = {
    "ann.aster@shop.test": "a***@shop.test",
    "jürgen+news@müller.example": "j***@müller.example",
    "o'brien@shop.test": "o***@shop.test",
    "a@b.c": "a***@b.c",
    "ann@shop.test; private.ann@home.test": "***",
    "ann@shop.test,private.ann@home.test": "***",
    "ann@shop.test private.ann": "***",
    "ann@shop.test\nprivate.ann": "***",
    "ann@shop.test\u00a0private.ann": "***",
    "ann@shop.test\u200bprivate.ann": "***",
    "ann@shop.test|private.ann": "***",
    "ann@shop.test/private.ann": "***",
    "ann@shop.test(Ann Aster)": "***",
    "Bo Birch <bo.birch@shop.test>": "***",
    "<bo.birch@shop.test>": "***",
    "mailto:bo.birch@shop.test": "***",
    '"bo birch"@shop.test': "***",
    "bo.birch@[192.0.2.1]": "***",
    "bo@birch@shop.test": "***",
    "bo.birch@localhost": "***",
    "cy.cedar(at)shop.test": "***",
    "cy.cedar": "***",
    "@shop.test": "***",
    "@": "***",
    " ": "***",
    "": "",
}
"""Emails, each with its masked form."""


def test_an_email_keeps_a_letter_and_its_domain_only_if_it_is_exactly_one_plain_address(final: Final) -> None:
    rows = [{"customer_id": f"{place:03}", "email": email} for place, email in enumerate(E_MAILS)]
    final.mart("customer_360", *rows)
    final.export("customer_360")
    shown = [row["email"] for row in final.rows("customer_360")]
    assert dict(zip(E_MAILS, shown, strict=True)) == E_MAILS


def test_a_masked_name_keeps_only_its_first_letter(final: Final) -> None:
    allowed = PersonalData(first_name="masked", last_name="masked", email="hidden", date_of_birth="hidden")
    final.by_rules(personal_data=allowed)
    final.mart("customer_360", {**ADA, "first_name": "ada@example.org", "last_name": "Love\nlace"})
    final.export("customer_360")
    assert personal(final.rows("customer_360")[0])[:2] == ["a***", "L***"]


def test_names_emails_and_birth_dates_are_shown_if_the_rules_allow(final: Final) -> None:
    allowed = PersonalData(first_name="shown", last_name="masked", email="shown", date_of_birth="shown")
    final.by_rules(personal_data=allowed)
    final.mart("customer_360", ADA)
    final.export("customer_360")
    assert [personal(row) for row in final.rows("customer_360")] == [
        ["Ada", "L***", "ada@example.org", "1990-12-10"]
    ]
    assert final.problems("customer_360") == []


def test_the_rules_have_every_column_that_identifies_a_person() -> None:
    identifying = {name for mart in contracts_in("marts") for name in mart.columns if mart.is_pii(name)}
    assert set(PersonalData.model_fields) == identifying
