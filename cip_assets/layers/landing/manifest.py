"""The landing manifest: what lies in the landing folder."""

from typing import Annotated

import pyspark.sql.types as T

from cip_assets.contracts.contract import Contract, TableContract, column


class Manifest(Contract, grain="one row per file of the landing folder", key=["path"], domain="platform"):
    """Every landing file with its hash, its rows by month, and what is wrong with it."""

    table_name: T.StringType = column("The table whose rows the file holds", required=True)
    path: T.StringType = column("Path below the landing folder", required=True)
    size_bytes: T.LongType = column("Size on disk", required=True, unit="bytes", ge=0)
    sha256: T.StringType = column("SHA-256 of the file as it lies on disk", required=True)
    delivery_date: T.DateType = column(
        "Day of delivery: the dt= in the path, or else the latest event date in the file"
    )
    row_count: T.LongType = column("Records, without header and blank lines", required=True, unit="rows")
    month_rows: Annotated[T.MapType, T.StringType(), T.LongType(), True] = column(
        "Records by month (YYYY-MM-01); empty for files of customers and products"
    )
    column_names: Annotated[T.ArrayType, T.StringType(), True] = column("The header, in the file's order")
    problem: T.StringType = column("Why the file cannot be read; empty where it can")


manifest = TableContract.of(Manifest, "landing", "manifest")
