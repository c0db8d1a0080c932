"""The worked examples of docs/metrics.md: the platform computes the same figures from their rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import pairwise
from math import floor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from cip_assets.config.rules import Rules
from cip_assets.layers import CONTRACTS, SOURCE_TABLES
from cip_assets.orchestration.checks import counts as quality
from cip_assets_tests.layers.chain import snapshot
from cip_assets_tests.layers.frames import Row, by_key, collected, landed, rows_of
from cip_assets_tests.layers.lines import lines_of

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
EXAMPLES = DOCUMENT.read_text(encoding="utf-8").split("## Worked examples\n")[1]
WHY = "why"
"""The column with the explanation."""


@dataclass(frozen=True)
class Example:
    """A table of the document: the paragraph before it, and its lines in the format of ``frames``."""

    paragraph: str
    lines: Sequence[str]

    @property
    def header(self) -> list[str]:
        return [cell.strip() for cell in self.lines[0].split("|")]

    @property
    def source(self) -> str | None:
        """The source table, if the example has its rows."""
        found = re.match(r"Rows of `(\w+)`", self.paragraph)
        return found[1] if found else None

    @property
    def result(self) -> str:
        """The feature or mart of the rows: the first one named in the paragraph."""
        names = re.findall(r"`(\w+)`", self.paragraph)
        known = [f"{layer}/{name}" for name in names for layer in ("marts", "features")]
        return next(name for name in known if name in CONTRACTS)

    def column(self, name: str) -> list[str]:
        place = self.header.index(name)
        return [line.split("|")[place].strip() for line in self.lines[1:]]

    def without(self, name: str) -> str:
        """The text without one column."""
        kept = [place for place, heading in enumerate(self.header) if heading != name]
        return "\n".join("|".join(line.split("|")[place] for place in kept) for line in self.lines)


def examples() -> list[Example]:
    found = re.findall(r"((?:^[^|\n].*\n)+)\n((?:^\|.*\n)+)", EXAMPLES, re.MULTILINE)
    tables = []
    for paragraph, text in found:
        header, _, *rows = (line.strip()[1:-1] for line in text.splitlines())
        tables.append(Example(paragraph.strip(), [header, *rows]))
    return tables


TABLES = examples()
SOURCES = {table.source: table for table in TABLES if table.source}
(OUTCOMES,) = (table for table in TABLES if table.header[0] == "line")
(CLOSED,) = (table for table in TABLES if table.header[0] == "delivery_date")
RESULTS = [table for table in TABLES if not table.source and table not in (OUTCOMES, CLOSED)]


@pytest.fixture(scope="module")
def computed(spark: SparkSession, rules: Rules) -> dict[str, list[Row]]:
    """The features and marts of the document's rows."""
    day = date.fromisoformat(re.findall(r"D is ([\d-]+),", EXAMPLES)[0])
    ((known, _),) = re.findall(r"`customers` holds ([\w,\s]+), and not (\w+), an orphan", EXAMPLES)
    rows = {name: landed(name, "\n".join(table.lines)) for name, table in SOURCES.items()}
    rows["customers"] = [{"customer_id": name} for name in re.split(r",\s*|\s+and\s+", known)]
    wanted = {table.result for table in RESULTS}
    return snapshot(spark, {"products": [], **rows}, day, rules, only=wanted)


@pytest.mark.parametrize("example", RESULTS, ids=lambda example: f"{example.result} {example.header[1]}")
def test_the_figures_follow_from_the_rows(computed: dict[str, list[Row]], example: Example) -> None:
    contract = CONTRACTS[example.result]
    expected = rows_of(contract, example.without(WHY))
    key = [name for name in contract.key if name in expected[0]]
    actual = by_key(computed[example.result], key) if key else {(): computed[example.result][0]}
    for row in expected:
        place = tuple(row[name] for name in key)
        found = actual[place[0] if len(place) == 1 else place]
        assert {name: None if found[name] == "" else found[name] for name in row} == row


def test_the_arithmetic_is_correct() -> None:
    sums = re.findall(r"`([-\d.+*/() ]+) = ([-\d.]+)`", EXAMPLES)
    assert len(sums) > 30
    wrong = [
        f"{left} = {right}" for left, right in sums if half_up(exact_value(left), right) != Fraction(right)
    ]
    assert wrong == []


def exact_value(expression: str) -> Fraction:
    """The exact value of an expression."""
    exact = re.sub(r"[\d.]+", lambda number: f"Fraction('{number[0]}')", expression)
    return Fraction(eval(exact, {"Fraction": Fraction}))


def half_up(value: Fraction, like: str) -> Fraction:
    """The value rounded to as many places as a text has."""
    scale = 10 ** len(like.partition(".")[2])
    return Fraction(floor(value * scale + Fraction(1, 2)), scale)


def test_the_cut_points_list_the_values_of_the_buyers(computed: dict[str, list[Row]]) -> None:
    (cuts,) = (table for table in RESULTS if table.result == "features/rfm_cut_points")
    buyers = [row for row in computed["features/purchases"] if not row["is_orphan"]]
    for metric, listed in zip(cuts.column("metric"), cuts.column(WHY), strict=True):
        assert listed == ", ".join(str(value) for value in sorted(row[metric] for row in buyers))


def test_the_days_between_purchases_are_correct() -> None:
    days = {
        f"{earlier} {later}": (date.fromisoformat(later) - date.fromisoformat(earlier)).days
        for buyer in ("ann", "bob", "dan")
        for earlier, later in pairwise(bought_on(buyer))
    }
    assert f"ann bought again after {days['2024-01-15 2024-02-10']} days" in EXAMPLES
    assert f"bob after {days['2024-01-20 2024-02-21']}," in EXAMPLES
    assert f"dan bought again after {days['2024-03-12 2024-05-21']} days" in EXAMPLES


def bought_on(buyer: str) -> list[str]:
    bought = SOURCES["transactions"]
    rows = zip(bought.column("customer_id"), bought.column("transaction_date"), strict=True)
    return sorted({day for customer, day in rows if customer == buyer})


def test_each_line_has_the_documented_outcome_and_nothing_is_lost(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    ((path, content),) = re.findall(r"land as `([\w.]+)`:\n\n```csv\n(.*?)```", EXAMPLES, re.DOTALL)
    lines = lines_of(spark, rules, tmp_path, {path: content}, date(2024, 1, 1))

    outcomes = [
        (row["source_line"], row.get("outcome", "cleaned"), row.get("reasons", ""), row["amount"])
        for row in collected(lines.cleaned) + collected(lines.kept_out)
    ]
    documented = zip(
        *(OUTCOMES.column(name) for name in ("line", "outcome", "reasons", "amount")), strict=True
    )
    assert [(str(line), *rest[:-1], as_money(rest[-1])) for line, *rest in sorted(outcomes)] == list(
        documented
    )

    source = SOURCE_TABLES["transactions"]
    found = quality.conservation(lines.landed, lines.raw, lines.cleaned, lines.kept_out, source)
    assert found.holds
    counted = f"`{found.cleaned} + {found.quarantined} + {found.superseded} = {found.landed}`"
    assert f"Lines: {counted}" in EXAMPLES
    for amount in (found.cleaned_amount, found.kept_out_amount, found.landed_amount):
        assert f"{amount}`" in EXAMPLES


def test_a_ticket_is_closed_on_the_day_of_the_delivery_that_first_says_so(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    days, statuses = CLOSED.column("delivery_date"), CLOSED.column("status")
    # Ticket n is in the first n deliveries, and ticket 0 in the second one alone.
    tickets = {number: list(range(number)) or [1] for number in range(len(days) + 1)}
    header = ",".join(SOURCE_TABLES["support_tickets"].columns)
    files = {
        f"support_tickets/dt={day}/a.csv": "\n".join(
            [
                header,
                *(
                    f"{number},dan,Returns,High,{status},2024-04-02,"
                    for number, deliveries in tickets.items()
                    if delivery in deliveries
                ),
                "",
            ]
        )
        for delivery, (day, status) in enumerate(zip(days, statuses, strict=True))
    }
    cleaned = collected(lines_of(spark, rules, tmp_path, files, date(2024, 4, 1)).cleaned)
    alone, *known = (str(row["closed_on"] or "") for row in sorted(cleaned, key=lambda row: row["ticket_id"]))
    assert known == CLOSED.column("closed_on")
    assert alone == "2024-04-02"
    assert "so `closed_on` is the opening day, 2024-04-02." in EXAMPLES


def as_money(amount: object) -> str:
    """An amount as in the document: blank if it cannot be read."""
    return str(amount) if re.fullmatch(r"\d+[.]\d\d", str(amount)) else ""
