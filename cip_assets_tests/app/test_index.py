"""The copies that are ordered by customer: the same rows, made again only for what was written."""

from pathlib import Path

import pytest

from cip_assets.app.index import COPIES, Index
from cip_assets.app.lake import Lake
from cip_assets.config.settings import Settings
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE

MADE = "index/*/*/*.parquet"


@pytest.fixture
def settings(healthy: Path) -> Settings:
    return Settings(healthy, ENGINE)


def contents(lake: Lake) -> dict[str, list[str]]:
    """The rows of every table that has a copy, in an order of their own."""
    return {
        name: sorted(str(sorted(row.items())) for row in lake.rows(f'SELECT * FROM "{name}"'))
        for name in COPIES
    }


def copies(settings: Settings) -> set[Path]:
    return {*settings.app_home.glob(MADE)}


def test_a_copy_has_the_rows_of_its_table_and_is_read_instead(settings: Settings) -> None:
    index = Index(settings, least_rows=0)
    expected = contents(Lake(settings, Index(settings, least_rows=10**9)))
    assert contents(Lake(settings, index)) == expected
    index.make()
    assert {path.parent.name for path in copies(settings)} == {name.split("/")[1] for name in COPIES}
    for name in COPIES:
        relation = index.relation(name, None)
        assert relation
        assert "lake" not in relation
    assert contents(Lake(settings, index)) == expected


def test_after_a_write_only_that_month_is_read_from_the_table_until_its_copy_is_made(
    settings: Settings,
) -> None:
    index = Index(settings, least_rows=0)
    index.make()
    before = copies(settings)
    uri = settings.table_uri("cleaned", "transactions")
    table = delta.open_table(uri)
    table.delete("transaction_id = 'T2'")  # of February 2024
    lake = Lake(settings, index)
    found = lake.rows('SELECT transaction_id FROM "cleaned/transactions" ORDER BY 1')
    assert [row["transaction_id"] for row in found] == ["T1", "T3"]
    relation = str(index.relation("cleaned/transactions", None))
    assert "DATE '2024-02-01'" in relation
    assert "DATE '2024-01-01'" not in relation
    index.make()
    gone = {path.parent.name for path in before - copies(settings)}
    assert gone == {"transactions", "orders"}
    assert all(path.name.startswith("2024-02-01") for path in before - copies(settings))
    assert "lake" not in str(index.relation("cleaned/transactions", None))


def test_a_small_table_is_read_as_it_is(settings: Settings) -> None:
    index = Index(settings)
    index.make()
    assert copies(settings) == set()
