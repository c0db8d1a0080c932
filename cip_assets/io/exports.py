"""Stream a Delta table to a CSV file: bounded memory, fixed bytes, replaced in one step.

DuckDB sorts (on disk where it must) and writes, whatever engine wrote the table, so the same table always
gives the same file.
"""

import hashlib
import os
import tempfile
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from cip_assets.contracts.exports import Export
from cip_assets.io import delta

MEMORY_LIMIT = "1GB"


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    path: Path
    row_count: int
    sha256: str
    size_bytes: int


def export_csv(export: Export, mart_uri: str, as_of: date, folder: Path) -> Exported:
    """Write one day of a mart as ``folder/<name>.csv``: UTF-8, with a header, sorted.

    Raises:
        PlatformError: the mart is not written yet.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{export.name}.csv"
    day = delta.open_table(mart_uri).to_pyarrow_dataset(partitions=[("as_of_date", "=", as_of.isoformat())])
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{export.name}.") as scratch:
        written = Path(scratch) / target.name
        with duckdb.connect(config={"memory_limit": MEMORY_LIMIT, "temp_directory": scratch}) as connection:
            connection.register("mart", day)
            query = export.query(connection)
            (rows,) = connection.execute(
                f"COPY ({query} ORDER BY {', '.join(export.order_by)}) TO '{_quoted(written)}' (HEADER, DELIMITER ',')"
            ).fetchone() or (0,)
        with written.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
            os.fsync(stream.fileno())
        size = written.stat().st_size
        written.replace(target)
    return Exported(target, rows, digest, size)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
