"""Issued forecasts: what was published about customers' future, as it was published.

Each issue is a file of its own in ``issued/<snapshot day>/`` of the data folder, and is never changed. If a snapshot
is computed again and forecasts something else, that is a new issue with its own time. The folder is beside the lake and
not in it, because an issue cannot be computed again: the models, the code and the deliveries will have changed.

Grain of an issue: one row per customer with a forecast. Its columns are those of ``SCHEMA``.
"""

from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cip_assets.config.settings import Settings
from cip_assets.storage import delta, questions

TABLE = "marts/customer_360"
"""The table whose forecasts are issued."""

MODEL_TABLE = "features/forecast"
"""The table that applies the model. Its code version is kept with an issue."""

SCHEMA = pa.schema(
    [
        pa.field("customer_id", pa.string()),
        pa.field("churn_probability", pa.decimal128(18, 6)),
        pa.field("expected_orders", pa.decimal128(18, 6)),
        pa.field("expected_spend", pa.decimal128(18, 2)),
        pa.field("clv_12m", pa.decimal128(18, 2)),
        pa.field("forecast_model", pa.string()),
    ]
)
"""What a file holds of each customer. The same for all of them is in the file's metadata (``Issue``)."""

TIME = "%Y-%m-%dT%H%M%S.%fZ"
"""How a file is named: by the moment of the issue, so that the names sort by it."""


class Issue:
    """One issue of the forecasts of a day.

    ``as_of`` is the snapshot day, ``issued_at`` the moment of the issue (UTC), ``window_days`` the length of the churn
    window, ``discount_rate`` the yearly rate of ``clv_12m``, and ``code`` the code version of ``MODEL_TABLE``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.as_of = date.fromisoformat(path.parent.name)
        self.issued_at = datetime.strptime(path.stem, TIME).replace(tzinfo=UTC)
        about = {k.decode(): v.decode() for k, v in (pq.read_schema(path).metadata or {}).items()}
        self.window_days = int(about["window_days"])
        self.discount_rate = float(about["discount_rate"])
        self.code = about["code"]

    def rows(self) -> pa.Table:
        return pq.read_table(self.path)


def issues(settings: Settings) -> list[Issue]:
    """All issues, by snapshot day and then by the time of the issue."""
    return [Issue(path) for path in sorted(settings.issued.glob("*/*.parquet"))]


def issue(
    settings: Settings,
    as_of: date,
    now: datetime,
    *,
    code: str,
    window_days: int,
    discount_rate: float,
) -> Path | None:
    """Keep the forecasts of a day; returns the new file, or None if they were issued before or there are none.

    Args:
        settings: the data folder.
        as_of: the snapshot day.
        now: the moment of the issue.
        code: the code version of ``MODEL_TABLE``.
        window_days: the length of the churn window.
        discount_rate: the yearly discount rate of the value of customers.

    Raises:
        PlatformError: the day was never computed.

    """
    with questions.connection() as connection:
        connection.register("day", delta.dataset(settings.table_uri(*TABLE.split("/")), day=str(as_of)))
        rows = connection.sql(
            f"SELECT {', '.join(SCHEMA.names)} FROM day WHERE churn_probability IS NOT NULL ORDER BY customer_id"
        ).to_arrow_table()
    rows = rows.cast(SCHEMA)
    folder = settings.issued / str(as_of)
    before = max(folder.glob("*.parquet"), default=None)
    if not rows or (before and pq.read_table(before).equals(rows)):
        return None
    about = {"window_days": window_days, "discount_rate": discount_rate, "code": code}
    rows = rows.replace_schema_metadata({name: str(value) for name, value in about.items()})
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{now.astimezone(UTC).strftime(TIME)}.parquet"
    scratch = path.with_suffix(".new")
    pq.write_table(rows, scratch)
    scratch.replace(path)
    return path
