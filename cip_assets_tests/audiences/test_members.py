"""Who is in an audience, who joined and left, and why."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.audiences import ledger
from cip_assets.audiences.lift import lift
from cip_assets.audiences.members import Change, changes, compiled_audiences
from cip_assets.audiences.send import send
from cip_assets.config.errors import PlatformError
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.layers import contract_of
from cip_assets.storage.append import append
from cip_assets_tests.conftest import ODD_NAME

MONDAY, TUESDAY = date(2024, 6, 17), date(2024, 6, 18)

AUDIENCES = """
audiences:
  staff:
    where: email LIKE '%@shop.example'
  risky:
    where: churn_band = 'High' AND frequency > 1
    include: [ann, nobody]
    exclude: [bob]
    exclude_audiences: [staff]
    columns: [region]
    destinations: [{kind: csv}]
"""

Row = Mapping[str, Any]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    folder = tmp_path / ODD_NAME
    folder.mkdir()
    (folder / "audiences.yaml").write_text(AUDIENCES, encoding="utf-8")
    return Settings(folder, "none")


def customer(customer_id: str, band: str | None, frequency: int, email: str = "x@y.example") -> Row:
    region = "=1+1" if customer_id == "cat" else "North"
    return {
        "customer_id": customer_id,
        "churn_band": band,
        "frequency": frequency,
        "email": email,
        "region": region,
    }


def snapshot(settings: Settings, day: date, rows: Sequence[Row]) -> None:
    written(settings, "marts/customer_360", ("as_of_date", str(day)), rows)


def written(settings: Settings, name: str, partition: tuple[str, str], rows: Sequence[Row]) -> None:
    """A slice of a table, as a run writes it."""
    layer, table = name.split("/")
    schema = to_arrow_schema(contract_of(layer, table).spark_schema, timezone="UTC")
    inside = pa.schema([field for field in schema if field.name != partition[0]])
    filled = pa.Table.from_pylist(list(rows), schema=inside)
    append(
        settings.table_uri(layer, table), schema, filled.to_reader(), partition, {"partition": partition[1]}
    )


def told(settings: Settings, day: date, name: str = "risky") -> tuple[Change, list[tuple[str, str, str]]]:
    """What changed, recorded in the ledger."""
    with changes(settings, compiled_audiences(settings.data_dir)[name], day) as (connection, change):
        rows = connection.execute("SELECT customer_id, change, why FROM changes ORDER BY 1").fetchall()
        ledger.record(settings, name, day, connection)
    return change, rows


FIRST_DAY = (
    customer("ann", "Low", 1),
    customer("bob", "High", 9),
    customer("cat", "High", 2),
    customer("dan", None, 9),
    customer("eve", "High", 3, "eve@shop.example"),
)
SECOND_DAY = (
    customer("ann", "Low", 1),
    customer("cat", "Medium", 2),
    customer("dan", "High", 9),
)


@pytest.fixture
def two_days(settings: Settings) -> Settings:
    snapshot(settings, MONDAY, FIRST_DAY)
    snapshot(settings, TUESDAY, SECOND_DAY)
    return settings


def test_an_audience_and_how_it_changes(two_days: Settings) -> None:
    _, monday = told(two_days, MONDAY)
    assert monday == [
        ("ann", "joined", "included by name"),
        ("cat", "joined", "churn_band = High, frequency = 2"),
    ]
    change, tuesday = told(two_days, TUESDAY)
    assert tuesday == [
        ("ann", "stayed", "included by name"),
        ("cat", "left", "churn_band = Medium, frequency = 2"),
        ("dan", "joined", "churn_band = High, frequency = 9"),
    ]
    assert (change.before, change.members, change.joined, change.left, change.share) == (MONDAY, 2, 1, 1, 1.0)


def test_the_same_day_again_adds_nothing_and_another_result_adds_an_entry(two_days: Settings) -> None:
    told(two_days, MONDAY)
    table = two_days.lake / "audiences" / "risky"
    files = sorted(table.rglob("*.parquet"))
    told(two_days, MONDAY)
    assert sorted(table.rglob("*.parquet")) == files
    path = two_days.data_dir / "audiences.yaml"
    path.write_text(path.read_text("utf-8").replace("include: [ann, nobody]", "include: [dan]"), "utf-8")
    _, again = told(two_days, MONDAY)
    assert [(name, change) for name, change, _ in again] == [
        ("ann", "left"),
        ("cat", "joined"),
        ("dan", "joined"),
    ]
    assert set(files) < set(table.rglob("*.parquet"))
    # The newest entry of the day counts.
    _, tuesday = told(two_days, TUESDAY)
    assert [(name, change) for name, change, _ in tuesday] == [("cat", "left"), ("dan", "stayed")]


def test_a_customer_who_is_gone_has_left(settings: Settings) -> None:
    snapshot(settings, MONDAY, FIRST_DAY)
    snapshot(settings, TUESDAY, FIRST_DAY[:1])
    told(settings, MONDAY)
    _, rows = told(settings, TUESDAY)
    assert rows[1] == ("cat", "left", "no customer any more")


def test_what_identifies_a_person_is_not_in_the_ledger(two_days: Settings) -> None:
    _, rows = told(two_days, MONDAY, "staff")
    assert rows == [("eve", "joined", "email = given")]


def test_too_much_change_is_refused(two_days: Settings) -> None:
    found = compiled_audiences(two_days.data_dir)["risky"]
    told(two_days, MONDAY)
    with (
        changes(two_days, found, TUESDAY) as (_, change),
        pytest.raises(
            PlatformError,
            match="1 would join and 1 leave, 100% of the 2 of 2024-06-17; max_change allows 50%",
        ),
    ):
        change.check(found)


def test_the_file_has_the_members_as_the_rules_allow(two_days: Settings, rules: Rules) -> None:
    found = compiled_audiences(two_days.data_dir)["risky"]
    assert send(two_days, found, rules) == []
    told(two_days, MONDAY)
    (sent,) = send(two_days, found, rules)
    assert (sent.destination, sent.members) == ("csv", 2)
    file = two_days.final / "audiences" / "risky.csv"
    assert file.read_text("utf-8") == "customer_id,region\nann,North\ncat,'=1+1\n"


def test_the_holdout_is_a_share_and_is_not_sent(settings: Settings, rules: Rules) -> None:
    text = "audiences: {all: {where: frequency > 0, holdout: 0.25, destinations: [{kind: csv}]}}"
    (settings.data_dir / "audiences.yaml").write_text(text, "utf-8")
    snapshot(settings, MONDAY, [customer(f"c{number}", "Low", 1) for number in range(400)])
    change, _ = told(settings, MONDAY, "all")
    assert (change.members, change.holdout) == (400, 103)
    (sent,) = send(settings, compiled_audiences(settings.data_dir)["all"], rules)
    assert sent.members == 297


def test_the_lift_is_measured_when_the_window_is_over(settings: Settings) -> None:
    text = "audiences: {all: {where: frequency > 0, holdout: 0.25, measure_days: 10}}"
    (settings.data_dir / "audiences.yaml").write_text(text, "utf-8")
    snapshot(settings, MONDAY, [customer(f"c{number}", "Low", 1) for number in range(400)])
    told(settings, MONDAY, "all")
    found = compiled_audiences(settings.data_dir)["all"]
    with changes(settings, found, MONDAY) as (connection, _):
        held = {
            name
            for (name,) in connection.execute("SELECT customer_id FROM changes WHERE is_holdout").fetchall()
        }
    # Of those who were sent, every second one buys in the window; of the holdout, nobody: a day too early, or too late.
    bought = {f"c{n}": date(2024, 6, 27) for n in range(0, 400, 2)} | {
        name: day for name, day in zip(sorted(held), (MONDAY, date(2024, 6, 28)) * 52, strict=False)
    }
    orders = [
        {"order_id": name, "customer_id": name, "transaction_date": day} for name, day in bought.items()
    ]
    written(settings, "facts/order_days", ("month", "2024-06-01"), orders)
    early = lift(settings, "all", found.audience, date(2024, 6, 26), 0.95)
    assert (early.sent, early.held, early.difference) == (0, 0, None)
    late = lift(settings, "all", found.audience, date(2024, 6, 27), 0.95)
    sent = {f"c{n}" for n in range(400)} - held
    assert (late.sent, late.held, late.held_bought) == (297, 103, 0)
    assert late.sent_bought == sum(name in sent for name in (f"c{n}" for n in range(0, 400, 2)))
    assert late.low is not None
    assert late.high is not None
    assert 0.4 < late.low < late.sent_bought / 297 < late.high < 0.6


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "audiences: {a: {where: frequenzy > 1}}",
            "audiences.a.where: customer_360 has no column 'frequenzy'",
        ),
        (
            "audiences: {a: {where: frequency > 1, columns: [e-mail]}}",
            "audiences.a.columns: customer_360 has no",
        ),
        ("audiences: {a: {where: frequency > 1, exclude_audiences: [b]}}", "'b' is not an audience above it"),
        ("audiences: {a: {were: frequency > 1}}", "audiences.a.where: Field required"),
        ("audiences: {A: {where: frequency > 1}}", "should match pattern"),
        ("audiences: [", "is not YAML"),
        (
            "audiences: {a: {where: frequency > 1, destinations: [{kind: webhook, url: 'http://x.org/', secret: S}]}}",
            "url: String should match pattern",
        ),
        (
            "audiences: {a: {where: frequency > 1, destinations: [{kind: csv}, {kind: csv}]}}",
            "two are named csv",
        ),
    ],
)
def test_what_is_wrong_with_the_file(settings: Settings, text: str, problem: str) -> None:
    (settings.data_dir / "audiences.yaml").write_text(text, "utf-8")
    with pytest.raises(PlatformError) as refused:
        compiled_audiences(settings.data_dir)
    assert problem in str(refused.value)
    assert "\n" not in str(refused.value)
