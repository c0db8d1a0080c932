"""The landing manifest."""

from typing import Annotated

import pyspark.sql.types as T

from cip_assets.contracts.contract import Contract, TableContract, column


class Manifest(Contract, grain="one row per landing file", key=["path"], domain="platform"):
    """Every landing file, with its hash, its rows by month, and the reason if it cannot be read."""

    table_name: T.StringType = column("Source table that the file belongs to", required=True)
    path: T.StringType = column("Path within the landing folder", required=True)
    size_bytes: T.LongType = column("File size", required=True, unit="bytes", ge=0)
    sha256: T.StringType = column("SHA-256 hash of the file", required=True)
    delivery_date: T.DateType = column(
        "Delivery date: dt= in the path; without it, the day of first_seen, else the latest event date in the file"
    )
    first_seen: T.TimestampType = column(
        "When a scan found the content of an event file without a dt= (UTC); empty for a table's first files"
    )
    latest_event_date: T.DateType = column("Latest event date in the file, within the calendar")
    row_count: T.LongType = column(
        "Records, not counting the header and blank lines", required=True, unit="rows"
    )
    month_rows: Annotated[T.MapType, T.StringType(), T.LongType(), True] = column(
        "Records by month (YYYY-MM-01); empty for customers and products"
    )
    column_names: Annotated[T.ArrayType, T.StringType(), True] = column(
        "Column names in the header, in the file's order"
    )
    problem: T.StringType = column("Why the file cannot be read; empty if it can")


manifest = TableContract.of(Manifest, "landing", "manifest")
