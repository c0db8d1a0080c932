"""Delta tables as views in DuckDB."""

import glob

import duckdb
import pyarrow.dataset as ds
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem


def view(connection: duckdb.DuckDBPyConnection, name: str, rows: ds.Dataset) -> None:
    """Show the rows of a table under a name.

    DuckDB reads the files on this machine itself, because taking rows from pyarrow costs several times as much.

    Args:
        connection: the connection that gets the view.
        name: the name.
        rows: as from ``delta.dataset``.

    """
    relation = of_files(rows)
    if relation is None:
        connection.register(name, rows)
    else:
        connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS FROM {relation}")


def of_files(rows: ds.Dataset) -> str | None:
    """The rows of a table in SQL, if DuckDB can read its files itself; otherwise None."""
    files = rows.filesystem
    is_here = isinstance(files, SubTreeFileSystem) and isinstance(files.base_fs, LocalFileSystem)
    folder = files.base_path if is_here else None
    # With a "=" in its path, a folder above the table would look like a partition.
    if not folder or "=" in folder or not rows.files:
        return None
    paths = ", ".join(only(f"{folder}{path}") for path in rows.files)
    column, is_partition, _ = rows.files[0].partition("=")  # a month or a snapshot day
    partitions = f", hive_types = {{'{column}': DATE}}" if is_partition else ""
    return (
        f"read_parquet([{paths}], union_by_name = true, hive_partitioning = {bool(is_partition)}{partitions})"
    )


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'


def only(path: str) -> str:
    """A pattern in SQL that matches only this file, because DuckDB reads file name patterns."""
    return literal(glob.escape(path))
