"""What the tables hold is looked up by table and version, and a table can be deleted and written again."""

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, Schema, write_deltalake

from cip_assets.config.settings import Settings
from cip_assets.ingest.in_step import held_by_tables, shows_deliveries, without_facts
from cip_assets.layers import FACTS_OF, SOURCE_TABLES
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE
from cip_assets_tests.integration.helpers import date_earlier


def test_a_lake_that_was_deleted_and_written_again_holds_what_it_holds_now(tmp_path: Path) -> None:
    """`cip ui` keeps a process that lives through it, in which both lakes have the same address and version."""
    uri = str(tmp_path / "cleaned" / "returns")
    for version in ("before", "after"):
        shutil.rmtree(uri, ignore_errors=True)
        row = {"month": date(2024, 1, 1), "source_file": "returns.csv", "source_version": version}
        write_deltalake(uri, pa.Table.from_pylist([row]), partition_by=["month"])
        assert held_by_tables([uri], by_month=True) == {"2024-01-01": {("returns.csv", version): 1}}


def test_what_shows_a_table_may_be_dated_before_it(healthy: Path) -> None:
    """A clock can go back between the two."""
    settings, events, customers = (
        Settings(healthy, ENGINE),
        SOURCE_TABLES["transactions"],
        SOURCE_TABLES["customers"],
    )
    assert customers.history is not None
    history, facts = (
        settings.table_uri(t.layer, t.table) for t in (customers.history, FACTS_OF["transactions"].contract)
    )
    written = next(delta.commits(history)).audit
    for uri in (history, facts):
        date_earlier(uri)
    assert without_facts(settings, events) == set()
    assert shows_deliveries(settings, customers, written["deliveries"], written["code_version"])


def test_facts_of_events_that_came_back_from_a_backup_and_were_written_since_are_behind(
    healthy: Path,
) -> None:
    """The events have the version that the facts were computed from, and other rows."""
    settings, source = Settings(healthy, ENGINE), SOURCE_TABLES["transactions"]
    uri = settings.table_uri("cleaned", "transactions")
    assert without_facts(settings, source) == set()
    (last,) = Path(uri, "_delta_log").glob(f"{delta.current_version(uri):020}.json")
    last.write_text(last.read_text("utf-8").replace('"run_id', '"other_run_id'), "utf-8")
    assert without_facts(settings, source) == {"2024-01-01", "2024-02-01"}


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
