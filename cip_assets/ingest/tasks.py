"""Distributes landing files over the engine's tasks: one row of JSON per file, which has all that a task needs."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

FILES_PER_TASK = 8


def spread(spark: SparkSession, specs: Sequence[Mapping[str, Any]]) -> DataFrame:
    """One row of JSON per file, distributed over the engine's tasks: several files each, because a task takes time."""
    rows = [(json.dumps(spec),) for spec in specs]
    frame = spark.createDataFrame(rows, "spec string")
    return frame.repartition(max(1, min(len(rows), 16), len(rows) // FILES_PER_TASK))


def specs_in(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for spec in batch.column(0).to_pylist():
            yield json.loads(spec)


def date_of(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
