"""A complete run on extreme values: every table and file and the dashboard are written, and the figures are right."""

import csv
import io
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

from cip_assets.layers import SOURCE_TABLES
from cip_assets.orchestration.runs import Platform
from cip_assets_tests.integration.helpers import exported, rows_of

MakePlatform = Callable[..., Platform]

IDS = (
    "\U0001f600",
    '=HYPERLINK("x")',
    "\u202eabc",
    "a,b\r\nc",
    "x" * 10_000,
    "'; --",
    "\\N",
    "0",
    "null",
    "%20#?",
)
"""Of customers, and of products in the same order."""

WORDS = ("\U0010ffff", "-1+1", "\u200b", '"quoted"', "y" * 10_000, "</script>", "\\", "\x01", "NaN", "{}")
DAYS_OF_BIRTH = (
    "0001-01-01",
    "0002-01-01",
    "1600-02-29",
    "1677-09-20",
    "2262-04-12",
    "9999-12-31",
    "9998-12-31",
    "0000-01-01",
    "",
    "1990-01-01",
)
SIGN_UPS = ("0001-01-01", "9999-12-31", "1900-01-01", "2099-12-31", "", "", "", "", "", "2024-01-01")
RESOLVED = ("9999-12-31", "2099-12-31", "", "2024-03-02", "", "", "", "", "", "")

Line = Sequence[str]


def land_lines(landing: Path, table: str, lines: Sequence[Line]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([SOURCE_TABLES[table].columns, *lines])
    (landing / f"{table}.csv").write_text(text.getvalue(), encoding="utf-8", newline="")


def test_a_run_on_extreme_values_gives_the_right_figures(data_dir: Path, platform_on: MakePlatform) -> None:
    landing = data_dir / "landing"
    people = list(zip(IDS, WORDS, DAYS_OF_BIRTH, SIGN_UPS, strict=True))
    land_lines(
        landing,
        "customers",
        [
            (who, word, word, f"{word}@x.org", word, born, signed, word, word)
            for who, word, born, signed in people
        ],
    )
    land_lines(
        landing,
        "products",
        [(what, word, word, word, "999999999.99", "0") for what, word in zip(IDS, WORDS, strict=True)],
    )
    land_lines(
        landing,
        "transactions",
        [
            (f"{what} {day}", what, what, "999999999", "999999999.99", "999999999.99", word, f"2024-{day}")
            for day in ("01-31", "02-29", "03-31")
            for what, word in zip(IDS, WORDS, strict=True)
        ],
    )
    land_lines(
        landing,
        "returns",
        [
            (what, f"{what} 01-31", what, what, "0.01", word, "2024-02-01")
            for what, word in zip(IDS, WORDS, strict=True)
        ],
    )
    land_lines(
        landing,
        "support_tickets",
        [
            (what, what, word, word, word, "2024-03-01", resolved)
            for what, word, resolved in zip(IDS, WORDS, RESOLVED, strict=True)
        ],
    )
    land_lines(
        landing,
        "web_activity",
        [
            (what, what, word, what, "2024-03-31T23:59:59.999999999-12:00")
            for what, word in zip(IDS, WORDS, strict=True)
        ],
    )

    platform = platform_on(data_dir)
    report = platform.run()

    assert report.failures == []
    assert report.succeeded
    assert all(rows_of(platform.settings, f"quarantine/{table}") == [] for table in SOURCE_TABLES)
    (totals,) = exported(platform.settings, "kpi_totals")
    assert (totals["total_customers"], totals["buyers"]) == ("10", "10")
    assert totals["total_revenue"] == str(30 * Decimal("999999999.99"))
    assert totals["returned_amount"] == "0.10"
    assert len(exported(platform.settings, "customer_360")) == len(IDS)
    assert (platform.settings.final / "dashboard.html").stat().st_size > 0
    found = {row["customer_id"]: row for row in rows_of(platform.settings, "marts/customer_360")}
    assert set(found) == set(IDS)
    assert {row["monetary_value"] for row in found.values()} == {3 * Decimal("999999999.99")}
    flags = {
        row["customer_id"]: row["is_birth_date_plausible"]
        for row in rows_of(platform.settings, "cleaned/customers")
    }
    births = [flags[who] for who in IDS]
    assert births == [None, False, False, False, False, None, False, False, None, True]
    signed = [found[who]["signup_date"] for who in IDS]
    assert signed == [
        None,
        None,
        date(1900, 1, 1),
        date(2099, 12, 31),
        *[None] * 5,
        date(2024, 1, 1),
    ]
    assert [found[who]["open_tickets"] for who in IDS] == [1, 1, 1, 0, *[1] * 6]
    assert found[IDS[3]]["avg_resolution_days"] == Decimal(1)
