"""A customer who is erased is in no file of the landing folder, of the lake, of the exports or of Dagster."""

import re
from collections.abc import Callable, Iterator
from datetime import date
from io import BytesIO
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import write_deltalake

from cip_assets.audiences import ledger
from cip_assets.audiences.config import Webhook
from cip_assets.audiences.marks import Mark, Marks
from cip_assets.config.settings import Settings
from cip_assets.orchestration.erasure import erase, trace
from cip_assets.storage import place, questions
from cip_assets_tests.buckets import Shop
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.graph import platform_of
from cip_assets_tests.integration.helpers import LANDED, land, rows_of

PHONE = "+44 20 7946 0958"
ERASED = ("Ada", "Lovelace", "ada@example.org", "1990-12-10", "C1")


def found_in(folder: Path) -> set[str]:
    """Which of the erased values are in files below a folder: as a value in Parquet, or as a cell in any other file."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {value for path in files for value in _found_in(str(path), path.read_bytes())}


def _found_in(name: str, content: bytes) -> Iterator[str]:
    if name.endswith(".parquet"):
        rows = pq.ParquetFile(BytesIO(content)).read()
        values = [value for column in rows.columns for value in column.to_pylist()]
        yield from {*map(str, values)} & {*ERASED, PHONE}
        if "_delta_log" in name:  # a checkpoint has values within values
            yield from (value for value in ERASED if repr(value) in repr(values))
    else:
        content = content.replace(b"\\", b"")
        yield from (value for value in ERASED if re.search(rf'\b{value}[",]'.encode(), content))
        yield from (value for value in (*ERASED[1:3], PHONE) if value.encode() in content)


def test_an_erased_customer_is_in_no_file(healthy: Path, cip_on: Callable[[Path], Cip]) -> None:
    settings = Settings(healthy, ENGINE)
    assert found_in(settings.landing) == found_in(settings.lake) == set(ERASED)
    cip = cip_on(healthy)
    code, planned, _ = cip("erase", "C1")
    assert code == 0
    assert "landing/transactions.csv: 2 lines are taken out" in planned
    assert "Nothing was changed" in planned
    assert found_in(settings.lake) == set(ERASED)
    code, *printed = cip("erase", "C1", "--yes")
    assert code == 0, printed
    for folder in (settings.landing, settings.lake, settings.final, settings.issued, settings.dagster_home):
        assert found_in(folder) == set(), folder


def plant(bucket: Shop) -> None:
    """Put the customer wherever a run of a part of the graph does not."""
    settings = bucket.settings
    forecasts = pa.Table.from_pylist([{"customer_id": "C1"}, {"customer_id": "C2"}])
    about = {"window_days": "90", "discount_rate": "0.1", "code": "x"}
    issue = settings.issued / "2024-02-12" / "2024-02-12T000000.000000Z.parquet"
    issue.parent.mkdir(parents=True)
    pq.write_table(forecasts.replace_schema_metadata(about), issue)
    place.publish(settings, issue)
    known = settings.of_day(date(2024, 1, 31))
    write_deltalake(known.table_uri("marts", "customer_360"), forecasts)
    with questions.connection() as connection:
        ledger.show(settings, "asked", connection)
        connection.execute(
            "CREATE TEMP TABLE changes AS SELECT customer_id, 'joined' AS change, false AS is_holdout, '' AS why "
            "FROM (VALUES ('C1'), ('C2')) AS t(customer_id)"
        )
        ledger.record(settings, "asked", date(2024, 2, 12), connection)
    marks = Marks(settings, "asked", Webhook(kind="webhook", url="https://shop.example.org", secret="KEY"))
    marks.add(Mark.OUT, {"C1": None})


def test_an_erased_customer_is_in_no_object_of_a_bucket_and_in_no_copy(bucket: Shop, tmp_path: Path) -> None:
    settings, landing = bucket.settings, tmp_path / "landing"
    for table in ("customers", "transactions"):
        land(landing, f"{table}.csv", LANDED[table])
    bucket.land(landing)
    header, *rows = (landing / "customers.csv").read_text("utf-8").splitlines()
    with_phone = [f"{header},phone", *(f"{row},{PHONE if row.startswith('C1,') else ''}" for row in rows)]
    bucket.put("landing/customers.csv", "".join(f"{line}\n" for line in with_phone).encode())
    place.fetch(settings)
    platform = platform_of(settings, dg.DagsterInstance.ephemeral(), ["exports/kpi_monthly_revenue"])
    assert platform.run().succeeded
    plant(bucket)
    assert holding(bucket) == {"landing", "lake", "issued", "known", "delivered"}
    found = trace(settings, {"C1"})
    assert [path.name for path in (*found.issued, *found.known, *found.audiences)] == [
        "2024-02-12T000000.000000Z.parquet",
        "2024-01-31",
        "webhook.jsonl",
        "asked",
    ]
    assert erase(platform, {"C1"}, found).succeeded
    assert not trace(settings, {"C1"})
    assert holding(bucket) == set()
    assert found_in(settings.data_dir) == set()
    assert not [name for name in bucket.names() if name.startswith("known/")]
    # The others stay, and what was written on this machine is what is in the bucket.
    assert b"C2," in bucket.content("landing/customers.csv")
    assert {row["customer_id"] for row in rows_of(settings, "cleaned/customers")} == {"C2"}
    for name in ("landing/customers.csv", "landing/transactions.csv", "first_seen.csv"):
        assert bucket.content(name) == (settings.data_dir / name).read_bytes()


def holding(bucket: Shop) -> set[str]:
    """The folders of a bucket with an object that has one of the erased values, whatever its key."""
    found, where = set(), {"Bucket": bucket.store.config["bucket"]}
    for page in bucket.client.get_paginator("list_objects_v2").paginate(**where):
        for key in (each["Key"] for each in page["Contents"]):
            if any(_found_in(key, bucket.client.get_object(**where, Key=key)["Body"].read())):
                found.add(key.removeprefix("shop/").partition("/")[0])
    return found
