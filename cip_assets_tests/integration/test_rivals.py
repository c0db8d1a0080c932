"""Another engine computes the same tables: DuckDB, by SQL of its own."""

from pathlib import Path

import duckdb
from deltalake import DeltaTable, write_deltalake

from benchmarks.rivals import TABLES, duckdb_pipeline
from benchmarks.rivals.compare import differences, give_predictions
from cip_assets_tests.sample import Sample


def test_duckdb_computes_the_same_tables_to_the_cent(sample: Sample, tmp_path: Path) -> None:
    data, predicted, rival = sample.settings.data_dir, tmp_path / "predicted.parquet", tmp_path / "rival"
    give_predictions(data, predicted)
    duckdb_pipeline.main(sample.settings.landing, predicted, rival)
    assert list(differences(data, rival)) == []
    assert all(DeltaTable(rival / name).to_pyarrow_dataset().count_rows() for name in TABLES)

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
