"""Another engine computes the same tables: DuckDB, by SQL of its own."""

from datetime import date
from pathlib import Path

import duckdb
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession

from benchmarks.beside import took
from benchmarks.rivals import TABLES, duckdb_pipeline, predictions
from benchmarks.rivals.compare import differences, differences_of_predictions, give_predictions
from cip_assets.config.rules import Rules
from cip_assets.layers import SOURCE_TABLES
from cip_assets_tests.layers.lines import lines_of
from cip_assets_tests.sample import Sample

DELIVERED = ("04-10", "05-10", "06-10", "06-15", "06-18")
STATUSES = {
    "open": ["Open", "Open"],
    "closed": ["Open", "Closed", "Closed"],
    "opened again": ["Open", "Closed", "Closed", "Pending"],
    "closed again": ["Open", "Closed", "Closed", "Pending", "Resolved"],
    "never seen open": ["Closed", "Closed"],
}
"""By ticket, the status in each delivery."""


def test_duckdb_computes_the_same_tables_to_the_cent(
    sample: Sample, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, predicted, rival = sample.settings.data_dir, tmp_path / "predicted.parquet", tmp_path / "rival"
    give_predictions(data, predicted)
    duckdb_pipeline.main(sample.settings.landing, predicted, rival)
    assert list(differences(data, rival)) == []
    assert all(DeltaTable(rival / name).to_pyarrow_dataset().count_rows() for name in TABLES)
    own = tmp_path / "own.parquet"
    monkeypatch.setattr(predictions, "ROWS_AT_ONCE", 50)  # the platform scores all of these buyers at once
    predictions.main(rival, own)
    assert differences_of_predictions(predicted, own) is None

    # One cent more in a table, and one line less in a file.
    table = str(rival / "marts/kpi_top_products")
    with duckdb.connect() as connection:
        connection.register("products", DeltaTable(table).to_pyarrow_table())
        raised = "(revenue + (rank = 1)::INT * 0.01)::DECIMAL(18,2)"
        changed = connection.sql(f"SELECT * REPLACE ({raised} AS revenue) FROM products").to_arrow_table()
    write_deltalake(table, changed, mode="overwrite")
    file = rival / "kpi_clv.csv"
    file.write_text("".join(file.read_text("utf-8").splitlines(keepends=True)[:-1]), encoding="utf-8")
    assert list(differences(data, rival)) == [
        "marts/kpi_top_products: 1 rows only ours, 1 only theirs",
        "kpi_clv.csv: 1 rows only ours, 0 only theirs",
    ]


def test_duckdb_closes_a_ticket_with_the_delivery_that_first_says_so(
    spark: SparkSession, rules: Rules, tmp_path: Path
) -> None:
    source, landing = SOURCE_TABLES["support_tickets"], tmp_path / "landing"
    files = {
        f"support_tickets/dt=2024-{day}/a.csv": "\n".join(
            [
                ",".join(source.columns),
                *(
                    f"{ticket},dan,Returns,High,{told[number]},2024-04-02,"
                    for ticket, told in STATUSES.items()
                    if number < len(told)
                ),
                "",
            ]
        )
        for number, day in enumerate(DELIVERED)
    }
    cleaned = lines_of(spark, rules, landing, files, date(2024, 4, 1)).cleaned
    with duckdb.connect() as connection:
        connection.execute(duckdb_pipeline.MACROS)
        duckdb_pipeline._read(connection, source, landing, tmp_path, rules)
        duckdb_pipeline._clean(connection, source, tmp_path, rules)
        theirs = dict(connection.execute("SELECT ticket_id, closed_on FROM support_tickets").fetchall())
    assert theirs == {
        "open": None,
        "closed": date(2024, 5, 10),
        "opened again": None,
        "closed again": date(2024, 6, 18),
        "never seen open": date(2024, 4, 2),
    }
    assert theirs == {row["ticket_id"]: row["closed_on"] for row in cleaned.collect()}


def test_the_figures_of_a_command_that_was_killed_are_no_result_unless_they_are_asked_for() -> None:
    killed = ["sh", "-c", "kill -KILL $$"]
    assert took(killed, may_be_killed=True).is_killed
    with pytest.raises(SystemExit, match="was killed"):
        took(killed)
    assert not took(["true"]).is_killed
