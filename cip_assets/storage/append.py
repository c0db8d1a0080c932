"""Add rows to a Delta table that only grows, without an engine; and write such a table again without some rows."""

import json
from collections.abc import Callable, Mapping
from time import time
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction, RemoveAction

from cip_assets.storage import delta, place


def append(
    uri: str,
    schema: pa.Schema,
    rows: pa.RecordBatchReader,
    partition: tuple[str, str],
    audit: Mapping[str, Any],
) -> int:
    """Add rows in one commit; returns their number.

    ``write_deltalake`` cannot append below a folder with `[`, `^` or `|` in its name, and would write the lowest and
    the highest id into the log.

    Args:
        uri: the address of the table, which is made if it does not exist.
        schema: the columns of the table.
        rows: the rows, without the column of the partition.
        partition: the column that the files are partitioned by, and its value in these rows.
        audit: entries for the commit in the Delta log.

    """
    column, value = partition
    folder, count = f"{column}={value}", 0
    file = f"{folder}/part-{uuid4()}.parquet"
    with place.of(uri).one_writer():
        if not delta.exists(uri):
            DeltaTable.create(uri, Schema.from_arrow(schema), partition_by=[column])
        table, files = delta.open_table(uri), place.of(uri).as_arrow()
        files.create_dir(folder)
        with pq.ParquetWriter(file, rows.schema, filesystem=files, compression="zstd") as writer:
            for batch in rows:
                writer.write_batch(batch)
                count += batch.num_rows
        size = files.get_file_info(file).size
        entries = json.dumps({**audit, "row_count": count}, default=str)
        table.create_write_transaction(
            [_added(file, size, {column: value}, count)],
            "append",
            table.schema(),
            [column],
            commit_properties=CommitProperties(custom_metadata={"userMetadata": entries}),
        )
    return count


def write_again(uri: str, column: str, keep: Callable[[pa.Table], pa.Table]) -> None:
    """Write a table again with some of its rows, in one commit, and delete all files of before.

    Args:
        uri: the address of the table.
        column: the column that the files are partitioned by.
        keep: the rows that stay, of those of a file.

    """
    here = place.of(uri)
    with here.one_writer():
        table, before, arrow = delta.open_table(uri), data_files(uri), here.as_arrow()
        files: list[AddAction | RemoveAction] = []
        for old in pa.table(table.get_add_actions(flatten=True)).to_pylist():
            rows = keep(pq.ParquetFile(old["path"], filesystem=arrow).read())
            file = f"{old['path'].rpartition('/')[0]}/part-{uuid4()}.parquet"
            pq.write_table(rows, file, filesystem=arrow, compression="zstd")
            value = {column: str(old[f"partition.{column}"])}
            files.append(_added(file, arrow.get_file_info(file).size, value, rows.num_rows))
        table.create_write_transaction(files, "overwrite", table.schema(), [column])
        here.delete(before)


def data_files(uri: str) -> list[str]:
    """The data files of all versions of a table, and those that no version has."""
    names = place.of(uri).below()
    return [name for name in names if name.endswith(".parquet") and not name.startswith("_delta_log/")]


def _added(file: str, size: int, partition: Mapping[str, str], rows: int) -> AddAction:
    """A file of a commit, with no statistics but its number of rows."""
    return AddAction(file, size, {**partition}, int(time() * 1000), True, json.dumps({"numRecords": rows}))
