"""Landing files spread over the engine's tasks: a row of JSON for each, which says what to do with it."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

FILES_PER_TASK = 8


def spread(spark: SparkSession, specs: Sequence[Mapping[str, Any]]) -> DataFrame:
    """One row of JSON per file, spread over the engine's tasks: a few files each, since a task costs too."""
    rows = [(json.dumps(spec),) for spec in specs]
    frame = spark.createDataFrame(rows, "spec string")
    return frame.repartition(max(1, min(len(rows), 16), len(rows) // FILES_PER_TASK))


def specs_in(batches: Iterable[pa.RecordBatch]) -> Iterator[dict[str, Any]]:
    for batch in batches:
        for spec in batch.column(0).to_pylist():
            yield json.loads(spec)


def date_of(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None
