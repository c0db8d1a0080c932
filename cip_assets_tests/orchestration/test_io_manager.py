"""The IO manager: what real Dagster runs write to the tables, the Delta log and the event log."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster_deltalake import LocalConfig
from deltalake import DeltaTable
from pyspark.sql import DataFrame

from cip_assets.orchestration.failures import failures_of
from cip_assets.orchestration.io_manager import SparkDeltaIOManager
from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR
from cip_assets.orchestration.resources import EngineResource, LakeResource
from cip_assets.storage import delta
from cip_assets_tests.conftest import ENGINE

MONTHS = dg.MonthlyPartitionsDefinition(start_date="2024-01-01", end_date="2024-07-01")
DAYS = dg.DailyPartitionsDefinition(start_date="2024-01-01", end_date="2024-07-01")
EVENTS, REGIONS, TOTALS = (
    dg.AssetKey(["raw", "events"]),
    dg.AssetKey(["raw", "regions"]),
    dg.AssetKey(["marts", "totals"]),
)


def declared(**types: str) -> dict[str, Any]:
    """The columns of an asset's contract, as its definition shows them."""
    return {
        "dagster/column_schema": dg.TableSchema([dg.TableColumn(name, ddl) for name, ddl in types.items()])
    }


class Events(dg.Config):
    """The values that the source of the events delivers."""

    shop: str = "North"
    note: bool = False
    stray: bool = False


@dg.asset(
    key=EVENTS,
    partitions_def=MONTHS,
    backfill_policy=dg.BackfillPolicy.single_run(),
    metadata={**declared(id="string", amount="decimal(18,2)", month="date"), "partition_expr": "month"},
    code_version="v7",
)
def events(context: dg.AssetExecutionContext, config: Events, engine: EngineResource) -> DataFrame:
    """One event per month, whose amount is the number of the month."""
    months = [date.fromisoformat(key) for key in context.partition_keys]
    rows = [(f"{config.shop}-{month:%m}", Decimal(month.month), month) for month in months]
    if config.stray:
        rows.append(("stray", Decimal(1), date(2024, 6, 1)))
    frame = engine.spark_session.createDataFrame(rows, "id string, amount decimal(18,2), month date")
    return frame.withColumn("note", frame["id"]) if config.note else frame


@dg.asset(key=REGIONS, metadata=declared(region="string"))
def regions(engine: EngineResource) -> DataFrame:
    """A table without partitions."""
    return engine.spark_session.createDataFrame([("North",), ("South",)], "region string")


@dg.asset(
    key=TOTALS,
    partitions_def=DAYS,
    ins={
        "events": dg.AssetIn(
            key=EVENTS, partition_mapping=EVERY_MONTH_SO_FAR, metadata={"columns": ["amount", "id"]}
        ),
        "regions": dg.AssetIn(key=REGIONS),
    },
    metadata={
        **declared(as_of_date="date", total="decimal(18,2)", read="string", regions="bigint"),
        "partition_expr": "as_of_date",
    },
)
def totals(
    context: dg.AssetExecutionContext, engine: EngineResource, events: DataFrame, regions: DataFrame
) -> DataFrame:
    """The input of a day's snapshot: every month so far, with only the columns that it reads."""
    total = sum((row["amount"] for row in events.collect()), Decimal(0))
    row = (date.fromisoformat(context.partition_key), total, ",".join(events.columns), regions.count())
    return engine.spark_session.createDataFrame(
        [row], "as_of_date date, total decimal(18,2), read string, regions bigint"
    )


@dg.asset_check(asset=REGIONS)
def two(regions: DataFrame) -> dg.AssetCheckResult:
    """A check that reads its table as an input."""
    return dg.AssetCheckResult(passed=regions.count() == 2)


class Lake:
    """The assets above on an empty lake."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.root = root
        self.instance = instance
        engine = EngineResource(engine=ENGINE)
        self.definitions = dg.Definitions(
            assets=[events, regions, totals],
            asset_checks=[two],
            jobs=[dg.define_asset_job(key.path[-1], selection=[key]) for key in (EVENTS, REGIONS, TOTALS)],
            resources={
                "engine": engine,
                "io_manager": SparkDeltaIOManager(
                    root_uri=str(root),
                    storage_options=LocalConfig(),
                    engine=engine,
                    lake=LakeResource(data_dir=str(root.parent)),
                ),
            },
            executor=dg.in_process_executor,
        )

    def run(
        self,
        key: dg.AssetKey,
        partition: str | None = None,
        *,
        to: str | None = None,
        raise_on_error: bool = True,
        **config: Any,
    ) -> dg.ExecuteInProcessResult:
        """Materialize an asset: without a partition, with one, or with a range of partitions in one run."""
        tags = {"dagster/asset_partition_range_start": partition, "dagster/asset_partition_range_end": to}
        return self.definitions.resolve_job_def(key.path[-1]).execute_in_process(
            instance=self.instance,
            partition_key=None if to else partition,
            tags={name: value for name, value in tags.items() if value} if to else None,
            run_config={"ops": {key.to_python_identifier(): {"config": config}}} if config else None,
            raise_on_error=raise_on_error,
        )

    def rows(self, key: dg.AssetKey) -> list[dict[str, Any]]:
        rows = DeltaTable(self.uri(key)).to_pyarrow_table().to_pylist()
        return sorted(rows, key=lambda row: str(tuple(row.values())))

    def commit(self, key: dg.AssetKey) -> delta.Commit:
        """The newest commit of a table."""
        return next(delta.history(delta.open_table(self.uri(key))))

    def uri(self, key: dg.AssetKey) -> str:
        return str(self.root.joinpath(*key.path))


@pytest.fixture
def lake(tmp_path: Path) -> Iterator[Lake]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Lake(tmp_path / "lake", instance)


def materializations(result: dg.ExecuteInProcessResult) -> Sequence[dg.AssetMaterialization]:
    return [
        event.step_materialization_data.materialization for event in result.get_asset_materialization_events()
    ]


def ids(lake: Lake) -> list[str]:
    return [row["id"] for row in lake.rows(EVENTS)]


@pytest.mark.engine
def test_a_range_of_months_is_one_run_and_one_commit_and_replaces_only_the_range(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01", to="2024-04-01")
    before = lake.commit(EVENTS).version
    result = lake.run(EVENTS, "2024-02-01", to="2024-03-01", shop="South")

    assert ids(lake) == ["North-01", "North-04", "South-02", "South-03"]
    commit = lake.commit(EVENTS)
    assert (commit.version, commit.row_count) == (before + 1, 2)
    assert {key: commit.audit[key] for key in ("run_id", "asset", "partition", "code_version")} == {
        "run_id": result.run_id,
        "asset": "raw/events",
        "partition": "2024-02-01...2024-03-01",
        "code_version": "v7",
    }
    made = materializations(result)
    assert [event.partition for event in made] == ["2024-02-01", "2024-03-01"]
    for event in made:
        assert event.metadata["dagster/row_count"].value == 2
        assert event.metadata["delta_version"].value == commit.version
        assert event.metadata["dagster/uri"].value == lake.uri(EVENTS)


@pytest.mark.engine
def test_a_day_gets_every_month_so_far_with_the_columns_that_it_reads(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01", to="2024-04-01")
    lake.run(REGIONS)
    lake.run(TOTALS, "2024-03-15")
    assert lake.rows(TOTALS) == [
        {"as_of_date": date(2024, 3, 15), "total": Decimal("6.00"), "read": "amount,id", "regions": 2}
    ]


def test_one_month_can_be_run_separately(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01", to="2024-03-01")
    result = lake.run(EVENTS, "2024-02-01", shop="South")
    assert ids(lake) == ["North-01", "North-03", "South-02"]
    assert lake.commit(EVENTS).audit["partition"] == "2024-02-01"
    (event,) = materializations(result)
    assert (event.partition, event.metadata["dagster/row_count"].value) == ("2024-02-01", 1)


def test_each_day_replaces_only_itself(lake: Lake) -> None:
    lake.run(REGIONS)
    lake.run(EVENTS, "2024-01-01", to="2024-02-01")
    for day in ("2024-01-31", "2024-02-01"):
        lake.run(TOTALS, day)
    lake.run(EVENTS, "2024-03-01")
    lake.run(TOTALS, "2024-03-01")
    lake.run(TOTALS, "2024-02-01")
    assert [(str(row["as_of_date"]), row["total"]) for row in lake.rows(TOTALS)] == [
        ("2024-01-31", Decimal(1)),
        ("2024-02-01", Decimal(3)),
        ("2024-03-01", Decimal(6)),
    ]
    assert lake.commit(TOTALS).audit["partition"] == "2024-02-01"


def test_a_table_without_partitions_is_replaced(lake: Lake) -> None:
    for _ in range(2):
        result = lake.run(REGIONS)
    assert [row["region"] for row in lake.rows(REGIONS)] == ["North", "South"]
    audit = lake.commit(REGIONS).audit
    assert (audit["run_id"], audit["asset"], audit["partition"]) == (result.run_id, "raw/regions", "")
    (event,) = materializations(result)
    assert event.metadata["dagster/row_count"].value == 2
    (checked,) = result.get_asset_check_evaluations()
    assert checked.passed


def test_a_column_that_is_not_in_the_contract_is_shown_with_those_that_are(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01")
    (event,) = materializations(lake.run(EVENTS, "2024-02-01", note=True))
    shown = event.metadata["dagster/column_schema"].value
    assert [(column.name, column.type) for column in shown.columns] == [
        ("id", "string"),
        ("amount", "decimal(18,2)"),
        ("month", "date"),
        ("note", "string"),
    ]
    assert event.metadata["added_columns"].value == ["note"]
    (again,) = materializations(lake.run(EVENTS, "2024-02-01", note=True))
    assert "added_columns" not in again.metadata
    assert [row["note"] for row in lake.rows(EVENTS)] == [None, "North-02"]


def test_a_run_that_fails_while_writing_materializes_nothing(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01", to="2024-02-01")
    before = lake.commit(EVENTS).version
    result = lake.run(EVENTS, "2024-02-01", raise_on_error=False, stray=True)
    assert not result.success
    assert materializations(result) == []
    assert (lake.commit(EVENTS).version, ids(lake)) == (before, ["North-01", "North-02"])


def test_an_input_that_was_not_written_yet_is_named(lake: Lake) -> None:
    lake.run(EVENTS, "2024-01-01")
    (failed,) = lake.run(TOTALS, "2024-01-31", raise_on_error=False).get_step_failure_events()
    (failure,) = failures_of(failed)
    assert failure.message.startswith("raw/regions: not written yet; materialize it first")
