"""Delta tables as views in DuckDB."""

import glob
from pathlib import PurePosixPath

import duckdb
import pyarrow.dataset as ds
from pyarrow.fs import SubTreeFileSystem


def view(connection: duckdb.DuckDBPyConnection, name: str, rows: ds.Dataset) -> None:
    """Show the rows of a table under a name.

    DuckDB reads the files on this machine itself: taking rows from pyarrow costs several times as much.

    Args:
        connection: the connection that gets the view.
        name: the name.
        rows: as from ``delta.dataset``.

    """
    files = [_pattern(rows.filesystem, path) for path in rows.files]
    if not files or not isinstance(rows.filesystem, SubTreeFileSystem):
        connection.register(name, rows)
        return
    columns = ", ".join(f'"{column}"' for column in rows.schema.names)
    partition, is_partitioned, _ = rows.files[0].partition("=")  # a month or a snapshot day, which no file holds
    folders = f"hive_partitioning = true, hive_types = {{'{partition}': DATE}}" if is_partitioned else "hive_partitioning = false"
    connection.execute(
        f'CREATE TEMP VIEW "{name}" AS SELECT {columns} FROM '
        f"read_parquet([{', '.join(files)}], union_by_name = true, {folders})"
    )


def _pattern(folder: SubTreeFileSystem, path: str) -> str:
    """A pattern that matches only a file, as SQL."""
    return "'" + glob.escape(str(PurePosixPath(folder.base_path, path))).replace("'", "''") + "'"
