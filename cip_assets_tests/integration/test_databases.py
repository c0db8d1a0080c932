"""`cip adopt` and `cip run` on a shop's database: the steps of docs/databases.md give the documented results.

The rows are fetched without an engine, so one engine is enough here.
"""

import re
import shlex
from pathlib import Path

import dagster as dg
import pytest
import yaml

from cip_assets.config.settings import Settings
from cip_assets.orchestration.instance import open_instance
from cip_assets_tests.conftest import ENGINE, Cip
from cip_assets_tests.databases import PASSWORD, Shop
from cip_assets_tests.integration.helpers import exported, rows_of

GUIDE = (Path(__file__).resolve().parents[2] / "docs" / "databases.md").read_text(encoding="utf-8")
SECTIONS = {text.partition("\n")[0]: text for text in GUIDE.split("\n## ")}
SMALL = "kpi_currencies"
"""A file with the totals of orders whose currency is one, which needs the fewest tables."""

BLOCK = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)


def totals(data_dir: Path) -> tuple[str, str]:
    (row,) = exported(Settings(data_dir, ENGINE), SMALL)
    return row["orders"], row["total_revenue"]


def documented_totals() -> list[tuple[str, str]]:
    _, _, table = SECTIONS["An example"].partition("total_revenue |\n")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[1:] if line]
    return [(orders, revenue) for _, orders, revenue in rows]


def test_the_example_gives_the_documented_results(
    sqlite: Shop, data_dir: Path, cip: Cip, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data_dir)
    found: list[tuple[str, str]] = []
    printed = ""
    for block in BLOCK.finditer(SECTIONS["An example"]):
        if block["language"] == "sql":
            sqlite.connection.executescript(block["text"])
        elif block["language"] == "text":
            assert block["text"] in printed
        else:
            for command in re.split(r"\n(?=cip )", block["text"].strip()):
                _, *words = shlex.split(command)
                few = ["--select", f"exports/{SMALL}"] if words[0] == "run" else []
                code, out, errors = cip(*words, *few)
                assert code == 0, errors
                printed += out
                if words[0] == "run":
                    found.append(totals(data_dir))
    assert found == documented_totals()
    assert len(found) == 2
    # The lineage goes on to the file, and each run says what it fetched.
    files = {
        row["order_id"]: row["export_file"] for row in rows_of(Settings(data_dir, ENGINE), "raw/transactions")
    }
    assert files == {
        "1001": "sales-0000002.parquet",
        "1002": "sales-0000001.parquet",
        "1003": "sales-0000001.parquet",
        "1004": "sales-0000002.parquet",
    }
    with open_instance(Settings(data_dir, ENGINE).dagster_home) as instance:
        made = instance.fetch_materializations(dg.AssetKey(["landing", "export_sales"]), limit=3).records
    counts = [
        one.asset_materialization.metadata["fetched_sales"].value for one in made if one.asset_materialization
    ]
    assert counts == [2, 0]


def test_the_command_for_postgresql_gives_the_same(
    postgresql: Shop, data_dir: Path, cip: Cip, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With types of its own: exact decimals, and times with a zone."""
    before, after = (b["text"] for b in BLOCK.finditer(SECTIONS["An example"]) if b["language"] == "sql")
    postgresql.execute(
        before,
        """
        CREATE VIEW sales AS
          SELECT order_no, email, sku, quantity, unit_price::numeric AS unit_price, ordered_at::timestamptz AS ordered_at,
            status, updated_at::timestamptz AS updated_at
          FROM orders JOIN order_lines USING (order_no)
        """,
    )
    (block,) = BLOCK.finditer(SECTIONS["PostgreSQL"])
    *_, command = block["text"].strip().splitlines()
    _, *words = shlex.split(command)
    documented = "postgresql://shop:${SHOP_DB_PASSWORD}@db.example.org:5432/shop"
    words[words.index(documented)] = postgresql.url
    code, printed, errors = cip(*words, "--yes")
    assert code == 0, errors
    written = (data_dir / "sources.yaml").read_text("utf-8")
    (database,) = yaml.safe_load(written)["databases"]
    assert (database["name"], database["url"], database["order"]) == ("sales", postgresql.url, "order_no")
    found = []
    for changes in (None, after):
        if changes:
            postgresql.execute(changes)
        code, out, errors = cip("run", "--select", f"exports/{SMALL}")
        assert code == 0, errors
        printed += out + errors
        found.append(totals(data_dir))
    assert found == documented_totals()
    texts = [path for path in data_dir.rglob("*") if path.is_file()]
    assert PASSWORD not in printed + written
    assert not [path for path in texts if PASSWORD.encode() in path.read_bytes()]


def test_a_new_column_stops_the_run_until_it_is_adopted(sqlite: Shop, data_dir: Path, cip: Cip) -> None:
    before, after = (b["text"] for b in BLOCK.finditer(SECTIONS["An example"]) if b["language"] == "sql")
    sqlite.connection.executescript(before)
    query = "SELECT *, quantity * unit_price AS total FROM orders JOIN order_lines USING (order_no)"
    arguments = (f"sqlite:///{data_dir}/shop.db", "--cursor", "updated_at", "--query", query, "--yes")
    assert cip("adopt", *arguments)[0] == 0
    assert cip("run", "--select", f"exports/{SMALL}")[0] == 0
    added = "ALTER TABLE order_lines ADD COLUMN channel TEXT;"
    sqlite.connection.executescript(added + after.replace("'2.25')", "'2.25', 'web')"))
    code, _, errors = cip("run", "--select", f"exports/{SMALL}")
    assert code == 1
    assert "sources.yaml has no layout with its header (new: channel; missing: nothing)" in errors
    assert cip("adopt", *arguments)[0] == 0
    code, _, errors = cip("run", "--select", f"exports/{SMALL}")
    assert code == 0, errors
    assert totals(data_dir) == documented_totals()[1]


def test_a_database_that_is_gone_stops_the_run_with_one_line(sqlite: Shop, data_dir: Path, cip: Cip) -> None:
    before, _ = (b["text"] for b in BLOCK.finditer(SECTIONS["An example"]) if b["language"] == "sql")
    sqlite.connection.executescript(
        f"{before} CREATE VIEW sales AS SELECT * FROM orders JOIN order_lines USING (order_no)"
    )
    assert (
        cip("adopt", f"sqlite:///{data_dir}/shop.db", "--cursor", "updated_at", "--table", "sales", "--yes")[
            0
        ]
        == 0
    )
    (data_dir / "shop.db").rename(data_dir / "moved.db")
    code, _, errors = cip("run", "--select", f"exports/{SMALL}")
    assert code == 1
    assert f"database sales: {data_dir}/shop.db does not exist; correct the url" in errors
