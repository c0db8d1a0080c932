"""How long twenty audiences take: ``python -m benchmarks.audiences [CUSTOMERS]``.

The snapshots of two days are made up, with the columns that the conditions read. The seconds are the processor's.
"""

import resource
import sys
import tempfile
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.audiences import ledger
from cip_assets.audiences.members import changes, compiled_audiences
from cip_assets.audiences.send import send
from cip_assets.config.rules import load_rules
from cip_assets.config.settings import Settings
from cip_assets.layers.marts.customer_360 import customer_360
from cip_assets.storage.append import append

DAYS = (date(2025, 6, 19), date(2025, 6, 20))

AUDIENCE = """
  audience_{number}:
    where: recency_days BETWEEN {first} AND {last} AND (churn_band IN ('High', 'Medium') OR clv_12m > {value})
    holdout: 0.1
    columns: [region]
    destinations: [{{kind: csv}}]
"""

CUSTOMER = """
SELECT 'C' || lpad(n::VARCHAR, 8, '0') AS customer_id, ((hash(n) + 4 * day) % 365)::INT AS recency_days,
  ['Low', 'Low', 'Medium', 'High'][1 + (hash(n, 1) % 4)::INT] AS churn_band,
  ((hash(n, 2) % 50000) / 100)::DECIMAL(18,2) AS clv_12m, ['North', 'South'][1 + (n % 2)] AS region
FROM range({customers}) AS r(n), (SELECT {day} AS day)
"""


def main(customers: int) -> None:
    """Print the processor seconds of each step."""
    schema = to_arrow_schema(customer_360.contract.spark_schema, timezone="UTC")
    inside = pa.schema([field for field in schema if field.name != "as_of_date"])
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), "none")
        for number, day in enumerate(DAYS):
            with duckdb.connect() as connection:
                made = connection.sql(CUSTOMER.format(customers=customers, day=number)).to_arrow_table()
            missing = [
                pa.nulls(len(made), field.type) for field in inside if field.name not in made.column_names
            ]
            names = [field.name for field in inside if field.name not in made.column_names]
            whole = pa.table(
                {**{n: made[n] for n in made.column_names}, **dict(zip(names, missing, strict=True))}
            )
            rows = whole.select(inside.names).cast(inside).to_reader(100_000)
            append(
                settings.table_uri("marts", "customer_360"),
                schema,
                rows,
                ("as_of_date", str(day)),
                {"partition": str(day)},
            )
        declared = "".join(
            AUDIENCE.format(number=number, first=10 * number, last=10 * number + 40, value=20 * number)
            for number in range(20)
        )
        (settings.data_dir / "audiences.yaml").write_text(f"audiences:{declared}", encoding="utf-8")
        for day in DAYS:
            start, members = _seconds(), 0
            found = compiled_audiences(settings.data_dir)
            for each in found.values():
                with changes(settings, each, day) as (connection, change):
                    ledger.record(settings, each.name, day, connection)
                    members += change.members
            recorded = _seconds()
            for each in found.values():
                send(settings, each, load_rules())
            sys.stdout.write(
                f"{day}: {customers:,} customers, {members:,} members of {len(found)} audiences: "
                f"{recorded - start:.1f} s who is in them and the ledger, {_seconds() - recorded:.1f} s the files\n"
            )


def _seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
