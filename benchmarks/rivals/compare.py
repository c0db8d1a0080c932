"""Whether a rival's tables and files are the platform's: the same rows, to the cent."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
from deltalake import DeltaTable

from benchmarks.rivals import FILES, NOT_COMPARED, PREDICTED, TABLES, in_sql
from cip_assets.layers import CONTRACTS
from cip_assets.storage.csv_export import AS_WRITTEN


def give_predictions(data: Path, predicted: Path) -> None:
    """Write the predicted columns of the platform's customers, which the rivals read and do not compute."""
    with duckdb.connect() as connection:
        connection.register("customers", DeltaTable(data / "lake/marts/customer_360").to_pyarrow_dataset())
        chosen = ", ".join(("customer_id", *PREDICTED))
        connection.execute(f"COPY (SELECT {chosen} FROM customers) TO '{predicted}' (FORMAT parquet)")


def differences_of_predictions(predicted: Path, of_rival: Path) -> str | None:
    """How the predictions for the buyers differ from the platform's; None if they do not."""
    with duckdb.connect() as connection:
        chosen = ", ".join(f'"{column}"::VARCHAR AS "{column}"' for column in ("customer_id", *PREDICTED))
        return _only_one_has(
            connection,
            f"SELECT {chosen} FROM {in_sql(predicted)} WHERE churn_probability IS NOT NULL",
            f"SELECT {chosen} FROM {in_sql(of_rival)}",
        )


def differences(data: Path, rival: Path) -> Iterator[str]:
    """Each table and file of a rival that differs from the platform's, with the number of rows that only one has.

    Args:
        data: the platform's data folder, with one snapshot day.
        rival: the folder that a rival wrote.

    """
    for name in TABLES:
        with duckdb.connect() as connection:
            for view, folder in (("ours", data / "lake"), ("theirs", rival)):
                connection.register(view, DeltaTable(folder / name).to_pyarrow_dataset())
            columns = [column for column in CONTRACTS[name].columns if column not in NOT_COMPARED]
            # As text, a type that differs shows only if a value does.
            chosen = ", ".join(f'"{column}"::VARCHAR AS "{column}"' for column in columns)
            if found := _only_one_has(
                connection, f"SELECT {chosen} FROM ours", f"SELECT {chosen} FROM theirs"
            ):
                yield f"{name}: {found}"
    for file in FILES:
        with duckdb.connect() as connection:
            paths = (data / "final" / f"{file.name}.csv", rival / f"{file.name}.csv")
            ours, theirs = (
                f"SELECT nullif(COLUMNS(*), '') FROM read_csv({in_sql(path)}, {AS_WRITTEN})" for path in paths
            )
            if found := _only_one_has(connection, ours, theirs):
                yield f"{file.name}.csv: {found}"


def _only_one_has(connection: duckdb.DuckDBPyConnection, ours: str, theirs: str) -> str | None:
    """How many rows only one side has; None if the rows are the same.

    Rows are the same if as many have the same sum of their hashes: that takes no memory for 50 million of them.
    """
    fingerprints = [
        connection.execute(f"SELECT count(*), sum(hash(rows)::HUGEINT) FROM ({query}) AS rows").fetchone()
        for query in (ours, theirs)
    ]
    if fingerprints[0] == fingerprints[1]:
        return None
    counts = [
        connection.execute(f"SELECT count(*) FROM (({one}) EXCEPT ALL ({other}))").fetchone()
        for one, other in ((ours, theirs), (theirs, ours))
    ]
    ((missing,), (more,)) = (count or (0,) for count in counts)
    return f"{missing} rows only ours, {more} only theirs" if missing or more else None
