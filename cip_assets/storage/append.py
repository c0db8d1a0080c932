"""Add rows to a Delta table that only grows, without an engine."""

import json
from collections.abc import Mapping
from time import time
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.transaction import AddAction

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
        size, now = files.get_file_info(file).size, int(time() * 1000)
        entries = json.dumps({**audit, "row_count": count}, default=str)
        table.create_write_transaction(
            [AddAction(file, size, {column: value}, now, True, json.dumps({"numRecords": count}))],
            "append",
            table.schema(),
            [column],
            commit_properties=CommitProperties(custom_metadata={"userMetadata": entries}),
        )
    return count
