"""Rows of databases become files: each new or changed one once, exactly, and nothing half."""

import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import DBAPIError

from cip_assets.config.errors import PlatformError
from cip_assets.sources.adopt import adopt, write
from cip_assets.sources.config import load_sources
from cip_assets.sources.databases import connection
from cip_assets.sources.databases import rows as reading
from cip_assets.sources.databases.cursor import OVERLAP
from cip_assets.sources.databases.database import Database, from_command_line
from cip_assets.sources.databases.fetch import MEMORY, Fetched, fetch
from cip_assets_tests.databases import PASSWORD, VARIABLE, Server, Shop

ORDERS = "CREATE TABLE orders (order_no text, item text, amount numeric(12, 2), updated_at timestamp)"


def put(shop: Shop, *rows: str) -> None:
    shop.execute(*(f"INSERT INTO orders VALUES ({row})" for row in rows))


def fetched(shop: Shop, data_dir: Path, **changed: str | None) -> list[dict[str, Any]]:
    """The rows that a fetch brings."""
    (found,) = fetch([shop.database(**changed)], data_dir)
    return contents(found)


def contents(found: Fetched) -> list[dict[str, Any]]:
    rows = pq.read_table(found.path).to_pylist() if found.path else []
    assert len(rows) == found.rows
    return rows


def files(data_dir: Path) -> list[str]:
    return sorted(
        str(path.relative_to(data_dir))
        for path in data_dir.rglob("*")
        if "fetched" in path.parts and path.is_file()
    )


# --- values ---------------------------------------------------------------------------------------------------

OF_POSTGRESQL: Mapping[str, tuple[str, str | None]] = {
    "numeric(12, 2)": ("1234567890.10", "1234567890.10"),
    "numeric": ("12345678901234567890.123456789012345678901", "12345678901234567890.123456789012345678901"),
    "bigint": ("9007199254740993", "9007199254740993"),
    "boolean": ("true", "true"),
    "timestamptz": ("'2026-01-31 23:30:00.000001+01'", "2026-01-31 22:30:00.000001+00"),
    "timestamp": ("'2026-01-31 23:30'", "2026-01-31 23:30:00"),
    "date": ("'infinity'", "infinity"),
    "double precision": ("0.1::float8 + 0.2::float8", "0.30000000000000004"),
    "json": ("""'{"b": 1.10, "a": [1]}'""", '{"b": 1.10, "a": [1]}'),
    "int[]": ("'{1,NULL,3}'", "{1,NULL,3}"),
    "uuid": ("'6F2C1B1E-1111-4222-8333-444455556666'", "6f2c1b1e-1111-4222-8333-444455556666"),
    "bytea": (r"'\x00ff'", r"\x00ff"),
    "interval": ("'1 day 2 hours'", "P1DT2H"),
    "text": ("'50% :off \u00e4'", "50% :off \u00e4"),
    "varchar(3)": ("''", ""),
    "int": ("NULL", None),
}
OF_SQLITE: Mapping[str, tuple[str, str | None]] = {
    "integer": ("9007199254740993", "9007199254740993"),
    "real": ("0.1 + 0.2", "0.30000000000000004"),
    "decimal(10, 2)": ("12.5", "12.5"),
    "text": ("'1234567890.10'", "1234567890.10"),
    "blob": ("x'00ff'", r"\x00ff"),
    "date": ("NULL", None),
}


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_value_is_the_text_that_the_database_has(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    shop: Shop = request.getfixturevalue(kind)
    values = OF_POSTGRESQL if kind == "postgresql" else OF_SQLITE
    columns = ", ".join(f'"the {name}" {name}' for name in values)
    shop.execute(f"CREATE TABLE orders (updated_at timestamp, {columns})")
    put(shop, ", ".join(["'2026-01-05 10:00'", *(value for value, _ in values.values())]))
    (row,) = fetched(shop, tmp_path)
    assert {name: row[f"the {name}"] for name in values} == {name: text for name, (_, text) in values.items()}


def test_times_with_a_zone_are_written_in_the_zone_of_the_shop(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute("CREATE TABLE orders (id int, updated_at timestamptz)")
    put(postgresql, "1, '2026-01-31 23:30+00'", "2, '2026-06-30 22:30+00'")
    rows = fetched(postgresql, tmp_path, time_zone="Europe/Berlin")
    assert [row["updated_at"] for row in rows] == ["2026-02-01 00:30:00+01", "2026-07-01 00:30:00+02"]


def test_sql_is_passed_on_as_it_is(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(shop, "'1', '50%:x', 1, '2026-01-05'")
    query = "SELECT order_no AS \"Order %s\", ':a' AS \"%(b)s\", updated_at FROM orders -- 100% :sure\nWHERE item LIKE '%:x'; "
    assert fetched(shop, tmp_path, table=None, query=query) == [
        {"Order %s": "1", "%(b)s": ":a", "updated_at": rows_time(shop, "2026-01-05")}
    ]


def rows_time(shop: Shop, text: str) -> str:
    """A day in a column of times, as the database writes it."""
    return f"{text} 00:00:00" if shop.kind == "postgresql" else text


# --- what is new ----------------------------------------------------------------------------------------------


def test_a_fetch_brings_what_is_new_or_changed_and_nothing_else(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(shop, "'1', 'tea', 3.50, '2026-01-05 10:00:00'", "'2', 'pot', 9.00, '2026-03-05 10:00:00'")
    assert [row["order_no"] for row in fetched(shop, tmp_path)] == ["1", "2"]
    before = (tmp_path / "fetched/orders/orders-0000001.parquet").read_bytes()
    assert fetched(shop, tmp_path) == []
    put(shop, "'3', 'cup', 5.00, '2026-03-05 10:00:00'")  # the same time as the last one
    put(shop, "'4', 'cup', 5.00, '2026-03-04 23:00:00'")  # began before it, committed after it
    shop.execute("UPDATE orders SET amount = 4, updated_at = '2026-03-06' WHERE order_no = '1'")
    assert [(row["order_no"], row["amount"]) for row in fetched(shop, tmp_path)] == [
        ("1", "4.00" if shop.kind == "postgresql" else "4"),
        ("3", "5.00" if shop.kind == "postgresql" else "5"),
        ("4", "5.00" if shop.kind == "postgresql" else "5"),
    ]
    assert fetched(shop, tmp_path) == []
    assert files(tmp_path) == [
        "fetched/.lock",
        "fetched/orders/orders-0000001.parquet",
        "fetched/orders/orders-0000002.parquet",
    ]
    assert (tmp_path / "fetched/orders/orders-0000001.parquet").read_bytes() == before


def test_equal_rows_are_all_there(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    line = "'1', 'tea', 3.50, '2026-01-05 10:00:00'"
    put(shop, line, line)
    assert len(fetched(shop, tmp_path)) == 2
    put(shop, line)
    assert len(fetched(shop, tmp_path)) == 3
    assert fetched(shop, tmp_path) == []


def test_a_changed_line_brings_its_whole_order(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(
        shop,
        "'1', 'tea', 3.50, '2026-01-05'",
        "'1', 'pot', 9.00, '2026-01-05'",
        "'2', 'pot', 9.00, '2026-01-05'",
        "NULL, 'tip', 1.00, '2026-01-05'",
        "'9', 'pot', 9.00, '2026-03-05'",
    )
    assert len(fetched(shop, tmp_path, order="order_no")) == 5
    put(shop, "NULL, 'fee', 2.00, '2026-03-05'")
    shop.execute("UPDATE orders SET amount = 4, updated_at = '2026-03-06' WHERE item = 'tea'")
    changed = [(row["order_no"], row["item"]) for row in fetched(shop, tmp_path, order="order_no")]
    assert sorted(changed, key=str) == [("1", "pot"), ("1", "tea"), (None, "fee")]
    # A line that goes is seen too, if another line of the order changes.
    shop.execute(
        "DELETE FROM orders WHERE item = 'tea'",
        "UPDATE orders SET updated_at = '2026-03-07' WHERE order_no = '1'",
    )
    assert [(row["order_no"], row["item"]) for row in fetched(shop, tmp_path, order="order_no")] == [
        ("1", "pot")
    ]
    # And it may come back as it was.
    put(shop, "'1', 'tea', 4.00, '2026-03-07'")
    assert len(fetched(shop, tmp_path, order="order_no")) == 2


def test_a_number_may_be_the_cursor(shop: Shop, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE orders (id bigint, item text)")
    put(shop, *(f"{number}, 'tea'" for number in (9, 10, 9_007_199_254_740_993)))
    assert len(fetched(shop, tmp_path, cursor="id")) == 3
    put(shop, "9007199254740994, 'pot'", "9007199254740000, 'late'", "11, 'too late'")
    assert [row["item"] for row in fetched(shop, tmp_path, cursor="id")] == ["late", "pot"]


ORDER_IDS = st.sampled_from(["1", "2"])


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries=st.lists(
        st.lists(st.tuples(ORDER_IDS, st.sampled_from("ab"), st.booleans()), max_size=3),
        min_size=1,
        max_size=5,
    )
)
@example(deliveries=[[("1", "a", True)], [("1", "a", True)], [("1", "a", False)]])  # back to what it was
def test_the_newest_file_of_each_order_is_the_order(
    sqlite: Shop,
    tmp_path_factory: pytest.TempPathFactory,
    tmp_path: Path,
    deliveries: list[list[tuple[str, str, bool]]],
) -> None:
    """However orders change between fetches, the last file that has an order has it as the database does."""
    data_dir = tmp_path_factory.mktemp("data")
    (data_dir / "shop.db").symlink_to(tmp_path / "shop.db")
    sqlite.execute("DROP TABLE IF EXISTS orders", ORDERS)
    put(sqlite, "'0', 'first', 0, '2026-01-01'")
    held: dict[str, list[str]] = {}
    for delivery in deliveries:
        for order, item, is_new in delivery:
            if is_new:
                put(sqlite, f"'{order}', '{item}', 1, '2026-01-01'")
            else:
                # Not the last line of an order: that an order is gone cannot be seen.
                sqlite.execute(f"""
                    DELETE FROM orders WHERE rowid IN (SELECT min(rowid) FROM orders WHERE order_no = '{order}')
                      AND (SELECT count(*) FROM orders WHERE order_no = '{order}') > 1
                """)
        news: dict[str, list[str]] = {}
        for row in fetched(sqlite, data_dir, order="order_no"):
            news.setdefault(row["order_no"], []).append(row["item"])
        held |= {order: sorted(items) for order, items in news.items()}
        now: dict[str, list[str]] = {}
        for order, item in sqlite.connection.execute("SELECT order_no, item FROM orders ORDER BY item"):
            now.setdefault(order, []).append(item)
        assert held == now


# --- at one moment, and whole ---------------------------------------------------------------------------------


def test_databases_with_one_url_show_one_moment(
    postgresql: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    postgresql.execute(ORDERS, "CREATE TABLE lines (order_no text, updated_at timestamp)")
    put(postgresql, "'1', 'tea', 1, '2026-01-05'")
    postgresql.execute("INSERT INTO lines VALUES ('1', '2026-01-05')")
    second = postgresql.database(name="lines", table="lines")
    read = reading.read

    def meanwhile(*arguments: Any) -> Any:
        postgresql.execute("INSERT INTO lines VALUES ('2', '2026-01-05')")
        return read(*arguments)

    monkeypatch.setattr("cip_assets.sources.databases.fetch.read", meanwhile)
    orders, lines = fetch([postgresql.database(), second], tmp_path)
    assert (orders.rows, lines.rows) == (1, 1)
    monkeypatch.setattr("cip_assets.sources.databases.fetch.read", read)
    assert [found.rows for found in fetch([postgresql.database(), second], tmp_path)] == [0, 2]


@pytest.mark.parametrize(
    "statement", ["DELETE FROM orders RETURNING *", "SELECT * FROM orders) AS q; DELETE FROM orders; --"]
)
def test_a_query_cannot_write(shop: Shop, tmp_path: Path, statement: str) -> None:
    shop.execute(ORDERS)
    put(shop, "'1', 'tea', 1, '2026-01-05'")
    with pytest.raises(PlatformError, match="^database orders: "):
        fetch([shop.database(table=None, query=statement)], tmp_path)
    with (
        connection.transaction(shop.database(), tmp_path) as opened,
        pytest.raises(DBAPIError, match="read-?only"),
    ):
        opened.exec_driver_sql("DELETE FROM orders")
    ((count,),) = shop.connection.execute("SELECT count(*) FROM orders").fetchall()
    assert count == 1


def test_a_fetch_that_is_killed_leaves_nothing_half(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute(ORDERS)
    put(postgresql, "'1', 'tea', 1, '2026-01-05'")
    # A lock makes the fetch wait in the middle.
    with postgresql.connection.transaction():
        postgresql.execute("LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        code = (
            "from pathlib import Path; from cip_assets.sources.databases.fetch import fetch; "
            "from cip_assets.sources.databases.database import Database; "
            f"fetch([Database.model_validate({postgresql.database().model_dump()})], Path({str(tmp_path)!r}))"
        )
        process = subprocess.Popen([sys.executable, "-c", code])
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        end = time.monotonic() + 60
        while postgresql.connection.execute(waits).fetchone() == (0,):
            assert time.monotonic() < end
            assert process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not list(tmp_path.rglob("*.parquet"))
    assert len(fetched(postgresql, tmp_path)) == 1


def test_a_disk_that_is_full_leaves_the_files_as_they_were(
    sqlite: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sqlite.execute(ORDERS)
    put(sqlite, "'1', 'tea', 1, '2026-01-05'")
    fetched(sqlite, tmp_path)
    put(sqlite, "'2', 'tea', 1, '2026-01-05'")
    (tmp_path / "fetched/orders/.orders-0000002.parquet.new").mkdir()  # nothing can be written there
    with pytest.raises(Exception, match="orders-0000002"):
        fetched(sqlite, tmp_path)
    assert [path.name for path in (tmp_path / "fetched/orders").glob("*.parquet")] == [
        "orders-0000001.parquet"
    ]
    # A fetch that was killed while it wrote leaves a part, which the next one replaces.
    (tmp_path / "fetched/orders/.orders-0000002.parquet.new").rmdir()
    (tmp_path / "fetched/orders/.orders-0000002.parquet.new").write_bytes(b"PAR1 and no more")
    assert [row["order_no"] for row in fetched(sqlite, tmp_path)] == ["2"]


def test_a_table_is_read_in_batches(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "ROWS", 7)
    shop.execute(ORDERS)
    put(shop, *(f"'{number}', 'tea', 1, '2026-01-{number % 28 + 1:02}'" for number in range(50)))
    sizes: list[int] = []
    read = reading.read

    def counted(*arguments: Any) -> Any:
        for batch, highest in read(*arguments):
            sizes.append(batch.num_rows)
            yield batch, highest

    monkeypatch.setattr("cip_assets.sources.databases.fetch.read", counted)
    assert {row["order_no"] for row in fetched(shop, tmp_path)} == {str(number) for number in range(50)}
    assert sizes == [7] * 7 + [1]


def test_the_files_depend_on_the_rows_alone(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(shop, *(f"'{number}', 'tea', 1, '2026-01-05'" for number in range(9)))
    first, second = tmp_path / "a", tmp_path / "b"
    for data_dir in (first, second):
        data_dir.mkdir()
        if shop.kind == "sqlite":
            (data_dir / "shop.db").symlink_to(tmp_path / "shop.db")
        fetched(shop, data_dir)
        # A row that is rewritten lies elsewhere in PostgreSQL.
        shop.execute("DELETE FROM orders WHERE order_no = '0'")
        put(shop, "'0', 'tea', 1, '2026-01-05'")
    path = "fetched/orders/orders-0000001.parquet"
    assert (first / path).read_bytes() == (second / path).read_bytes()


# --- columns that come and go ---------------------------------------------------------------------------------


def test_a_new_column_comes_with_the_rows_that_have_it(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(shop, "'1', 'tea', 1, '2026-01-05'", "'2', 'tea', 1, '2026-01-05'")
    fetched(shop, tmp_path)
    shop.execute("ALTER TABLE orders ADD COLUMN channel text")
    assert fetched(shop, tmp_path) == []
    shop.execute("UPDATE orders SET channel = 'web' WHERE order_no = '2'")
    assert [(row["order_no"], row["channel"]) for row in fetched(shop, tmp_path)] == [("2", "web")]
    shop.execute("ALTER TABLE orders DROP COLUMN item")
    put(shop, "'3', 1, '2026-01-06', NULL")
    assert [set(row) for row in fetched(shop, tmp_path)] == [{"order_no", "amount", "updated_at", "channel"}]


# --- errors ---------------------------------------------------------------------------------------------------


def refused(shop: Shop, data_dir: Path, **changed: str | None) -> str:
    """The one line of a fetch that fails, in which the password is not."""
    with pytest.raises(PlatformError) as error:
        fetch([shop.database(**changed)], data_dir)
    line = str(error.value)
    assert "\n" not in line
    shown: BaseException | None = error.value
    while shown:
        assert PASSWORD not in str(shown)
        shown = shown.__cause__ or shown.__context__
    assert not list(data_dir.rglob(".*.new"))
    return line


def test_a_wrong_password_gives_one_line(
    postgresql: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, f"{PASSWORD}!")
    line = refused(postgresql, tmp_path)
    assert line.startswith("database orders: ")
    assert 'password authentication failed for user "shop"' in line
    assert line.endswith("; check the user in the url, and the variable that has the password")
    monkeypatch.delenv(VARIABLE)
    assert refused(postgresql, tmp_path) == (
        "database orders: SHOP_DB_PASSWORD is not set; set it, because the url of sources.yaml needs it"
    )


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("127.0.0.1:1", "Connection refused.*; check host and port in the url"),
        ("nowhere.invalid", "nowhere.invalid.*; check host and port in the url"),
    ],
)
def test_a_host_that_cannot_be_reached_gives_one_line(
    postgresql: Shop, tmp_path: Path, place: str, says: str
) -> None:
    url = f"postgresql://shop:${{{VARIABLE}}}@{place}/shop"
    with pytest.raises(PlatformError, match=f"^database orders: .*{says}"):
        fetch([postgresql.database(url=url)], tmp_path)
    refused(postgresql, tmp_path, url=url)


def test_a_database_or_user_that_does_not_exist_gives_one_line(
    postgresql: Shop, server: Server, tmp_path: Path
) -> None:
    assert refused(postgresql, tmp_path, url=server.url("shops")).endswith(
        'database "shops" does not exist; correct the name of the database in the url'
    )
    assert refused(postgresql, tmp_path, url=server.url(user="nobody")).endswith(
        "; check the user in the url, and the variable that has the password"
    )


def test_a_missing_table_or_column_gives_one_line(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    assert refused(shop, tmp_path, table="order") == "database orders: it has no table order; it has orders"
    assert refused(shop, tmp_path, table="") == "database orders: no table is named; it has orders (--table)"
    has = "it has order_no, item, amount, updated_at, and the cursor is the one that grows with each new or changed row"
    assert refused(shop, tmp_path, cursor="changed") == f"database orders: it has no column changed; {has}"
    assert (
        refused(shop, tmp_path, cursor="") == f"database orders: no cursor column is named (--cursor); {has}"
    )
    assert refused(shop, tmp_path, order="id") == f"database orders: it has no column id; {has}"
    assert refused(shop, tmp_path, table=None, query="SELECT nothing FROM orders").endswith(
        "; correct the query in sources.yaml"
    )
    assert refused(shop, tmp_path) == "database orders: it has no rows; fetch it when there are some"


def test_a_column_that_is_there_twice_gives_one_line(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute(ORDERS)
    query = "SELECT a.*, b.item FROM orders AS a, orders AS b"
    assert refused(postgresql, tmp_path, table=None, query=query) == (
        "database orders: it has the column item twice; give each a name of its own with AS"
    )


def test_rows_without_a_cursor_give_one_line(shop: Shop, tmp_path: Path) -> None:
    shop.execute(ORDERS)
    put(shop, "'1', 'tea', 1, '2026-01-05'")
    fetched(shop, tmp_path)
    put(shop, "'2', 'tea', 1, NULL", "'3', 'tea', 1, NULL")
    assert refused(shop, tmp_path) == (
        "database orders: 2 rows have no updated_at, so changes of them cannot be seen; fill it, or write a query with "
        "coalesce(...)"
    )


FUTURE = (datetime.now(UTC) + timedelta(days=400)).date().isoformat()


@pytest.mark.parametrize(
    ("kind", "value", "says"),
    [
        ("text", "'31.01.2026'", "has the value 31.01.2026, which is no time that begins with a day"),
        ("text", "'2026-02-30'", "has the value 2026-02-30, which is no time that begins with a day"),
        ("text", "'10'", "has the value 10, which is no time that begins with a day"),
        ("date", f"'{FUTURE}'", f"has the value .*{FUTURE}, which lies in the future"),
    ],
)
def test_a_cursor_that_does_not_tell_what_is_new_gives_one_line(
    shop: Shop, tmp_path: Path, kind: str, value: str, says: str
) -> None:
    shop.execute(f"CREATE TABLE orders (id int, updated_at {kind})")
    put(shop, "1, '2026-01-05'", f"2, {value}")
    with pytest.raises(PlatformError, match=f"^database orders: the cursor updated_at {says}"):
        fetched(shop, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_cursor_of_another_type_gives_one_line(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute("CREATE TABLE orders (id int, updated_at jsonb, at date)")
    put(postgresql, "1, '1', 'infinity'")
    assert refused(postgresql, tmp_path) == (
        "database orders: the cursor updated_at is jsonb; name a column of times or of whole numbers"
    )
    assert "has the value infinity, which is no time" in refused(postgresql, tmp_path, cursor="at")


def test_a_table_that_was_emptied_gives_one_line(shop: Shop, tmp_path: Path) -> None:
    shop.execute("CREATE TABLE orders (id int)")
    put(shop, "20000")
    fetched(shop, tmp_path, cursor="id")
    shop.execute("DELETE FROM orders")
    put(shop, "1")
    assert refused(shop, tmp_path, cursor="id") == (
        "database orders: no row has id from 10000 on, although 20000 was fetched; if the table was emptied or restored, "
        "delete the folder fetched/orders to fetch everything again"
    )


def test_files_that_were_fetched_in_another_way_give_one_line(sqlite: Shop, tmp_path: Path) -> None:
    sqlite.execute(ORDERS)
    put(sqlite, "'1', 'tea', 1, '2026-01-05'")
    fetched(sqlite, tmp_path)
    folder = tmp_path / "fetched" / "orders"
    assert refused(sqlite, tmp_path, cursor="order_no") == (
        f"database orders: sources.yaml has another cursor than the files in {folder} were fetched with (updated_at); "
        "give the database another name, or delete the folder to fetch everything again"
    )
    put(sqlite, "'2', 'tea', 1, '2026-01-05'")
    fetched(sqlite, tmp_path)
    (folder / "orders-0000001.parquet").unlink()
    assert refused(sqlite, tmp_path).startswith(
        f"database orders: {folder} lacks orders-0000001.parquet; put it back"
    )
    (folder / "orders-0000002.parquet").rename(folder / "orders-0000001.parquet")
    (folder / "orders-0000001.parquet").write_bytes(b"PAR1")
    assert "orders-0000001.parquet is no fetched file or is damaged; delete the folder" in refused(
        sqlite, tmp_path
    )


def test_a_file_that_is_no_database_gives_one_line(sqlite: Shop, tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("this is no database, " * 100, encoding="utf-8")
    assert refused(sqlite, tmp_path, url="sqlite:///other.db") == (
        "database orders: file is not a database; the file is no SQLite database, or is damaged"
    )
    missing = tmp_path / "none.db"
    assert refused(sqlite, tmp_path, url="sqlite:///none.db") == (
        f"database orders: {missing} does not exist; correct the url"
    )
    assert not missing.exists()


def test_a_text_that_is_not_utf_8_gives_one_line(sqlite: Shop, tmp_path: Path) -> None:
    sqlite.execute(ORDERS)
    put(sqlite, "'1', CAST(x'436166e9' AS TEXT), 1, '2026-01-05'")
    line = refused(sqlite, tmp_path)
    assert "column 'item'" in line
    assert line.endswith("; store its texts as UTF-8")


def test_a_user_who_may_not_read_gives_one_line(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute(
        ORDERS,
        "DROP ROLE IF EXISTS clerk",
        f"CREATE ROLE clerk LOGIN PASSWORD '{PASSWORD}'",
    )
    url = postgresql.url.replace("//shop:", "//clerk:")
    assert refused(postgresql, tmp_path, url=url) == (
        "database orders: permission denied for table orders; let the user read it: GRANT SELECT"
    )


def test_a_locked_table_gives_one_line(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOCK_SECONDS", 1)
    shop.execute(ORDERS)
    put(shop, "'1', 'tea', 1, '2026-01-05'")
    if shop.kind == "sqlite":
        shop.execute("BEGIN EXCLUSIVE")
    else:
        shop.execute("BEGIN", "LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
    assert refused(shop, tmp_path).endswith("; another program has locked it; try again later")
    shop.execute("ROLLBACK")
    assert len(fetched(shop, tmp_path)) == 1


def test_a_server_that_does_not_answer_gives_one_line(
    postgresql: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://shop:${{{VARIABLE}}}@127.0.0.1:{silent.getsockname()[1]}/shop"
        assert "; check host and port in the url" in refused(postgresql, tmp_path, url=url)


def test_a_connection_that_is_lost_gives_one_line_and_leaves_nothing_half(
    postgresql: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "ROWS", 2)
    postgresql.execute(ORDERS)
    put(postgresql, *["'1', 'tea', 1, '2026-01-05'"] * 5)
    read = reading.read

    def cut_off(*arguments: Any) -> Any:
        for found in read(*arguments):
            yield found
            postgresql.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    with monkeypatch.context() as patched:
        patched.setattr("cip_assets.sources.databases.fetch.read", cut_off)
        assert refused(postgresql, tmp_path).endswith(
            "; try again; if it stops each time, ask who runs the server"
        )
    assert not list(tmp_path.rglob("*.parquet"))
    assert len(fetched(postgresql, tmp_path)) == 5


def test_a_missing_driver_gives_one_line(
    postgresql: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    line = refused(postgresql, tmp_path)
    assert line.startswith("database orders: the driver psycopg is not installed or cannot be loaded")
    assert line.endswith("; install psycopg[binary] with pip")


# --- sources.yaml and the command line ------------------------------------------------------------------------

SECRET = "s3cr3t/with@odd:signs"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"url": "postgres://shop@host/shop"}, "postgres:// is an old spelling; write postgresql://"),
        ({"url": f"postgresql://shop:{SECRET}@host/shop"}, "the password stands in the URL"),
        ({"url": f"postgresql://host/shop?user=shop&password={SECRET}"}, "the password stands in the URL"),
        ({"url": f"postgres://shop:{SECRET}@host/shop"}, "the password stands in the URL"),
        ({"url": "mysql://shop@host/shop"}, "mysql is not supported"),
        ({"url": "shop.db"}, "the URL is not supported"),
        ({"url": "sqlite://"}, "the URL names no file"),
        ({"url": "sqlite://shop.db"}, "the URL names no file"),
        ({"query": "SELECT 1"}, "name a table or a query, and not both"),
        ({"table": None}, "name a table or a query, and not both"),
        ({"name": "../orders"}, "String should match pattern"),
        ({"time_zone": "Berlin"}, "Berlin is no time zone"),
    ],
)
def test_a_wrong_key_gives_one_line(wrong: Mapping[str, str | None], says: str, tmp_path: Path) -> None:
    database = {"name": "orders", "url": "sqlite:///shop.db", "table": "orders", "cursor": "id"} | wrong
    content = {"first_month": "2026-01-01", "exports": [], "databases": [database]}
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(PlatformError) as error:
        load_sources(tmp_path)
    assert says in str(error.value)
    assert SECRET not in f"{error.value} {error.value.__cause__}"


def test_two_databases_with_one_name_give_one_line(tmp_path: Path) -> None:
    database = {"name": "orders", "url": "sqlite:///shop.db", "table": "orders", "cursor": "id"}
    content = {
        "first_month": "2026-01-01",
        "exports": [],
        "databases": [database, {**database, "name": "Orders"}],
    }
    (tmp_path / "sources.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(PlatformError, match="two databases have one name; give each its own"):
        load_sources(tmp_path)


def test_the_command_line_names_a_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def named(*arguments: str, **options: str) -> tuple[tuple[Database, ...], list[Path]]:
        given = {"table": None, "query": None, "cursor": None, "name": None, "time_zone": None} | options
        return from_command_line(arguments, tmp_path / "data", **given)

    (database,), paths = named("sqlite:///shop.db", "more.csv", table="main.orders", cursor="id")
    assert (database.url, database.name, paths) == (
        f"sqlite:///{tmp_path}/shop.db",
        "orders",
        [Path("more.csv")],
    )
    (database,), _ = named("sqlite:///data/shop.db", query="SELECT 1", cursor="id")
    assert (database.url, database.name) == ("sqlite:///shop.db", "query")
    with pytest.raises(PlatformError, match="one database at a time"):
        named("sqlite:///a.db", "sqlite:///b.db")
    with pytest.raises(PlatformError, match="belong to a database"):
        named("orders.csv", cursor="id")
    with pytest.raises(PlatformError, match="^the password stands in the URL") as error:
        named(f"postgresql://shop:{SECRET}@host/shop", table="orders", cursor="id")
    assert SECRET not in str(error.value)


LINES = """
    CREATE TABLE lines (order_no int, email text, sku text, quantity int, price numeric(9, 2), ordered_at timestamptz);
    INSERT INTO lines VALUES (1, 'ann@example.org', 'TEA', 2, 3.50, '2026-01-31 23:30+00'),
      (2, 'bob@example.org', 'POT', 1, 9.00, '2026-02-13 10:00+00')
"""


def test_the_zone_of_times_is_asked(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute(LINES)
    lines = {"name": "lines", "table": "lines", "cursor": "ordered_at"}
    found = adopt([], tmp_path, databases=[postgresql.database(**lines)])
    (zone,) = found.findings["database lines"]
    assert (zone.columns, zone.state) == (("ordered_at",), "asked")
    assert zone.why == "times are written in UTC; --time-zone names the zone of the shop"
    assert (found.summary.first_day, found.sources.databases[0].order) == (date(2026, 1, 31), "order_no")
    berlin = postgresql.database(**lines, time_zone="Europe/Berlin")
    with pytest.raises(PlatformError, match="another time_zone than the files"):
        adopt([], tmp_path, databases=[berlin])
    shutil.rmtree(tmp_path / "fetched" / "lines")
    found = adopt([], tmp_path, databases=[berlin])
    assert [zone.state for zone in found.findings["database lines"]] == ["chosen"]
    assert found.summary.first_day == date(2026, 2, 1)


def test_a_database_is_adopted_once(postgresql: Shop, tmp_path: Path) -> None:
    postgresql.execute(LINES)
    lines = postgresql.database(name="lines", table="lines", cursor="ordered_at")
    write(adopt([], tmp_path, databases=[lines]), tmp_path)
    again = adopt([], tmp_path, databases=[lines])
    assert again.sources == load_sources(tmp_path)
    assert again.sources.exports[0].files == ("fetched/lines/*.parquet",)
    with pytest.raises(PlatformError, match="another database lines; give this one another name with --name"):
        adopt([], tmp_path, databases=[postgresql.database(name="lines", table="other", cursor="ordered_at")])


# --- the guide ------------------------------------------------------------------------------------------------

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "databases.md").read_text(encoding="utf-8")


def test_the_guide_has_all_keys_and_the_numbers_of_the_code() -> None:
    _, _, table = GUIDE.partition("| key of `databases` |")
    keys = re.findall(r"^[|] (\w+) [|]", table.partition("\n\n")[0], re.MULTILINE)
    assert keys == list(Database.model_fields)
    text = " ".join(GUIDE.split())
    assert f"holds {reading.ROWS:,} rows at a time, and at most {MEMORY.replace('GB', ' GB')}" in text
    assert f"{OVERLAP:,} before the highest number" in text
    assert f"a time-out after {connection.CONNECT_SECONDS} seconds" in text
    assert (connection.LOCK_SECONDS, "locked the table for a minute" in text) == (60, True)


def test_the_guide_names_what_to_do() -> None:
    """Its remedies are those of the messages, word for word or in short."""
    _, _, table = GUIDE.partition("## When it stops")
    for phrase in (
        "check the user in the URL, and the variable that has the password",
        "GRANT SELECT",
        "try again later",
    ):
        assert phrase in table
        assert any(phrase.lower() in remedy.lower() for remedy in connection.REMEDIES.values())
