"""The whole chain from cleaned rows to marts, each table computed from the stored ones before it."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.pandas.types import to_arrow_schema

from cip_assets.calc.carried import Before
from cip_assets.config.rules import Rules
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.table import Table
from cip_assets.layers import FACTS_OF, SOURCE_TABLES, TABLES
from cip_assets.layers.facts.order_days import order_days
from cip_assets.layers.features.split_orders import split_orders
from cip_assets_tests.layers.frames import Row, collected, frame_of, types_of

Sources = Mapping[str, Sequence[Row]]
"""The rows of the six cleaned tables."""


def snapshot(
    spark: SparkSession,
    sources: Sources,
    day: date,
    rules: Rules,
    only: Collection[str] | None = None,
    carried_from: tuple[date, Mapping[str, Sequence[Row]]] | None = None,
) -> dict[str, list[Row]]:
    """Every feature and mart of a day, by ``layer/table``; with ``only``, just these tables and their inputs; with
    ``carried_from``, an older day and its tables, carried from these where they can be.

    Each result is collected and made into a frame again, like a Delta table between two assets. So its names and types
    must match the contract.
    """
    frames = {
        source.cleaned.name: frame_of(spark, source.cleaned.spark_schema, sources[name])
        for name, source in SOURCE_TABLES.items()
    }
    for facts in FACTS_OF.values():
        frames[facts.contract.name], _ = stored(facts(frames[facts.source.cleaned.name]), facts.contract)
    tables: dict[str, list[Row]] = {}
    for table in TABLES if only is None else _needed(only):
        reads = {parameter: frames[contract.name] for parameter, contract in table.reads.items()}
        name, before = table.contract.name, None
        if table.carried and carried_from:
            older, rows = carried_from
            before = Before(
                older, frame_of(spark, table.contract.spark_schema, rows[name]).drop("as_of_date")
            )
        computed = table(**reads, as_of=day, rules=rules, before=before)
        frames[name], tables[name] = stored(computed, table.contract)
    return tables


def large_snapshot(
    spark: SparkSession, cleaned: Mapping[str, pa.Table], day: date, rules: Rules
) -> dict[str, pa.Table]:
    """As ``snapshot``, for tables that are too large for rows of Python, and in the order of their keys."""
    found = {f"cleaned/{name}": rows for name, rows in cleaned.items()}

    def keep(computed: DataFrame, contract: TableContract) -> None:
        assert types_of(computed.schema) == types_of(contract.spark_schema)
        rows = computed.toArrow().cast(to_arrow_schema(contract.spark_schema, timezone="UTC"))
        found[contract.name] = rows.sort_by([(name, "ascending") for name in contract.key])

    def frame(contract: TableContract) -> DataFrame:
        rows = found[contract.name]
        return spark.createDataFrame(rows) if rows else frame_of(spark, contract.spark_schema, [])

    for facts in FACTS_OF.values():
        keep(facts(frame(facts.source.cleaned)), facts.contract)
    for table in TABLES:
        keep(
            table(**{name: frame(read) for name, read in table.reads.items()}, as_of=day, rules=rules),
            table.contract,
        )
    return {name: rows for name, rows in found.items() if not name.startswith("cleaned/")}


def orders_of(lines: DataFrame, until: date) -> dict[str, DataFrame]:
    """The inputs of a table that counts the orders of some cleaned lines."""
    days = order_days(lines)
    return {"order_days": days, "split_orders": split_orders(order_days=days, as_of=until)}


def stored(computed: DataFrame, contract: TableContract) -> tuple[DataFrame, list[Row]]:
    """A computed frame, collected and made into a frame again, like a Delta table between two assets; and its rows."""
    schema = contract.spark_schema
    assert types_of(computed.schema) == types_of(schema), (
        f"{contract.name}: {set(types_of(computed.schema)) ^ set(types_of(schema))}"
    )
    rows = collected(computed)
    return frame_of(computed.sparkSession, schema, rows), rows


def _needed(names: Collection[str]) -> Iterator[Table]:
    """The tables with these names and their inputs, in order."""
    needed = set(names)
    for table in reversed(TABLES):
        if table.contract.name in needed:
            needed |= {contract.name for contract in table.reads.values()}
    yield from (table for table in TABLES if table.contract.name in needed)
