"""The backtest as it lies in ``features/forecast_model``, and its rows as frames."""

import json
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pyspark.sql.types as T
from pyspark.sql import DataFrame

from cip_assets.contracts.contract import AS_OF
from cip_assets.contracts.types import DaySnapshot


def judged(model: DataFrame) -> Mapping[str, Any]:
    """The backtest of a day's model: ``chosen``, and the rows of ``backtest``, ``windows``, ``calibration``,
    ``reasons``.
    """
    (row,) = model.select("judged").collect()
    found: Mapping[str, Any] = json.loads(row[0])
    return found


def as_frame(
    like: DataFrame, rows: Sequence[Mapping[str, Any]], chosen: str | None, model: type[DaySnapshot]
) -> DataFrame:
    """Rows of plain values as a frame with the types of a contract, rounded half up."""
    columns = model.to_schema().columns
    types = {name: c.dtype.type for name, c in columns.items() if name != AS_OF}
    schema = T.StructType([T.StructField(name, kind, True) for name, kind in types.items()])
    data = [
        tuple(
            typed({**row, "is_used": row.get("model") == chosen}[name], kind) for name, kind in types.items()
        )
        for row in rows
    ]
    return like.sparkSession.createDataFrame(data, schema)


def typed(value: Any, kind: T.DataType) -> Any:
    """A plain value in a column's type."""
    if value is None:
        return None
    if isinstance(kind, T.DecimalType):
        return Decimal(repr(float(value))).quantize(Decimal(1).scaleb(-kind.scale), ROUND_HALF_UP)
    if isinstance(kind, T.DateType):
        return date.fromisoformat(value)
    if isinstance(kind, T.LongType | T.IntegerType):
        return round(value)
    return value
