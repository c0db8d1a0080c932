"""A view has the rows of its table, wherever the table lies."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from deltalake import write_deltalake

from cip_assets.storage import delta
from cip_assets.storage.views import view

JANUARY, FEBRUARY = date(2024, 1, 1), date(2024, 2, 1)


def shown(uri: str, day: str | None = None) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        view(connection, "rows", delta.dataset(uri, day=day))
        return connection.execute("FROM rows ORDER BY id").fetchall()


@pytest.mark.parametrize("folder", ["lake", "it's a*", "month=2020-05-01"])
def test_a_view_has_the_current_rows_with_the_columns_of_their_folders(tmp_path: Path, folder: str) -> None:
    uri = str(tmp_path / folder / "table")
    write_deltalake(uri, pa.table({"id": [0, 1], "month": [JANUARY, FEBRUARY]}), partition_by=["month"])
    replaced = pa.table({"id": [2], "month": [FEBRUARY], "added": ["x"]})
    write_deltalake(uri, replaced, mode="overwrite", predicate="month = '2024-02-01'", schema_mode="merge")
    with duckdb.connect() as connection:
        view(connection, "rows", delta.dataset(uri))
        found = connection.execute("SELECT id, month, added FROM rows ORDER BY id").fetchall()
    assert found == [(0, JANUARY, None), (2, FEBRUARY, "x")]


def test_a_view_of_a_day_has_no_other_day_and_an_empty_table_has_no_rows(tmp_path: Path) -> None:
    days, whole = str(tmp_path / "days"), str(tmp_path / "whole")
    rows = pa.table({"id": [0, 1], "as_of_date": [JANUARY, FEBRUARY]})
    write_deltalake(days, rows, partition_by=["as_of_date"])
    assert shown(days, "2024-02-01") == [(1, FEBRUARY)]
    assert shown(days, "2024-03-01") == []
    write_deltalake(whole, pa.table({"id": [3]}))
    assert shown(whole) == [(3,)]
