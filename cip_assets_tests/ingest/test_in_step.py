"""What the tables hold is looked up by table and version, and a table can be deleted and written again."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Schema, write_deltalake

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import held_by_tables, shows_deliveries
from cip_assets.layers import SOURCE_TABLES
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE


def test_a_lake_that_was_deleted_and_written_again_holds_what_it_holds_now(tmp_path: Path) -> None:
    """`cip ui` keeps a process that lives through it, in which both lakes have the same address and version."""
    uri = str(tmp_path / "cleaned" / "returns")
    for version in ("before", "after"):
        shutil.rmtree(uri, ignore_errors=True)
        row = {"month": date(2024, 1, 1), "source_file": "returns.csv", "source_version": version}
        write_deltalake(uri, pa.Table.from_pylist([row]), partition_by=["month"])
        assert held_by_tables([uri], by_month=True) == {"2024-01-01": {("returns.csv", version): 1}}


def test_a_history_that_was_created_and_not_written_does_not_show_its_deliveries(healthy: Path) -> None:
    """A writer that is killed between the two leaves it so."""
    settings, source = Settings(healthy, ENGINE), SOURCE_TABLES["customers"]
    assert source.history is not None
    uri = settings.table_uri(source.history.layer, source.history.table)
    written = next(delta.commits(uri)).audit
    told = {"digest": written["deliveries"], "code": written["code_version"]}
    assert shows_deliveries(settings, source, **told)
    shutil.rmtree(uri)
    DeltaTable.create(uri, Schema.from_json(source.history.spark_schema.json()))
    assert not shows_deliveries(settings, source, **told)
