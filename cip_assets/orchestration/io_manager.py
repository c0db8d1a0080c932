"""The Dagster IO manager for PySpark frames in Delta Lake.

It is based on dagster-deltalake's ``DeltaLakeIOManager``, which maps asset keys and partitions to tables and slices.
Only this module uses Dagster's private database IO manager classes, because that base class needs them.
"""

import os
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any

import pyspark.sql.types as T
from dagster import (
    InitResourceContext,
    InputContext,
    MetadataValue,
    OutputContext,
    ResourceDependency,
    TableColumn,
    TableSchema,
)
from dagster._core.storage.db_io_manager import DbIOManager, DbTypeHandler, TableSlice
from dagster_deltalake import DeltaLakeIOManager
from dagster_deltalake.io_manager import DeltaLakeDbClient, TableConnection
from dagster_pyspark import LazyPySparkResource
from pyspark.sql import DataFrame

from cip_assets.orchestration.due import gate
from cip_assets.orchestration.resources import LakeResource
from cip_assets.orchestration.run_tags import by
from cip_assets.storage import delta, inputs
from cip_assets.storage.written import require_written

COLUMN_SCHEMA = "dagster/column_schema"
COLUMN_LINEAGE = "dagster/column_lineage"

IN_DAGSTER_PLUS = "DAGSTER_CLOUD_DEPLOYMENT_NAME"
"""The variable that Dagster+ sets."""

PERSONAL = "pii"
"""The tag of a column that identifies a person."""

OF_PERSON = "customer_id"
"""The column that says whose row it is. The log of past commits stays, so no id may be in it after an erasure."""

AS_LANDED = "cip/as_landed"
"""Metadata of an input: a source table, or its facts, that must be up to date until the day of the step's partition."""

DELIVERIES = "cip/deliveries"
"""Metadata of an output, kept in the Delta log: what the landing files of its source table were."""


CARRIED_FROM = "carried_from"
"""Metadata of an output, and the entry of its commit: the older snapshot day that it is carried from."""

LAST_MONTH = "last_month"
"""The same for a scan: the last month that events could be dated in."""


class SparkDeltaHandler(DbTypeHandler[DataFrame]):
    """Writes and reads PySpark frames, both classic and Connect."""

    def __init__(self, engine: LazyPySparkResource, lake: LakeResource) -> None:
        self._engine = engine
        self._lake = lake
        self._read: dict[tuple[str, str], inputs.Read] = {}

    @property
    def supported_types(self) -> Sequence[type[object]]:
        return [DataFrame]

    def handle_output(
        self, context: OutputContext, table_slice: TableSlice, obj: DataFrame, connection: TableConnection
    ) -> Mapping[str, Any]:
        definition = context.definition_metadata or {}
        written = delta.write(
            obj,
            connection.table_uri,
            schema=_declared(definition[COLUMN_SCHEMA]),
            replace=_slice(table_slice),
            partition_column=definition.get("partition_expr"),
            audit={**_audit(context), **inputs.entries(self._inputs_of(context))},
            unlogged=[
                c.name
                for c in _columns(definition[COLUMN_SCHEMA])
                if PERSONAL in c.tags or c.name == OF_PERSON
            ],
        )
        written_here = (context.asset_key.to_user_string(), str(_slice(table_slice)))
        gate.looked_at(context.run_id).add(written_here)
        metadata: dict[str, Any] = {
            "dagster/row_count": written.row_count,
            "dagster/uri": connection.table_uri,
            "delta_version": written.version,
        }
        metadata |= column_lineage(definition)
        extras = [
            f for f in obj.schema if f.name not in {c.name for c in _columns(definition[COLUMN_SCHEMA])}
        ]
        if extras:
            metadata[COLUMN_SCHEMA] = _with_extras(definition[COLUMN_SCHEMA], extras)
        if written.added_columns:
            metadata["added_columns"] = MetadataValue.json(list(written.added_columns))
            context.log.warning(
                f"{delta.table_name(connection.table_uri)}: added columns {written.added_columns}"
            )
        return metadata

    def load_input(
        self, context: InputContext, table_slice: TableSlice, connection: TableConnection
    ) -> DataFrame:
        """Read the rows of a slice; None for a step that only checks its table, and not what it is computed from.

        Raises:
            PlatformError: the slice was never written, or a source table or its facts are out of date.

        """
        made = [o.properties for o in context.step_context.step.step_outputs if o.properties.is_asset]
        if made and not any(output.asset_key for output in made):
            return None  # type: ignore[return-value]  # and nothing looks at it
        only, name = _slice(table_slice), context.asset_key.to_user_string()
        run_id = context.step_context.run_id
        is_as_landed = (context.definition_metadata or {}).get(AS_LANDED)
        what = gate.as_landed(date.fromisoformat(context.partition_key)) if is_as_landed else only
        gate.once(run_id, name, what, lambda: self._look_at(context, connection.table_uri, only))
        self._read[context.step_context.step.key, name] = inputs.newest(connection.table_uri)
        return delta.read_written(
            self._engine.spark_session, connection.table_uri, only=only, columns=table_slice.columns
        )

    def _look_at(self, context: InputContext, uri: str, only: delta.Slice | None) -> None:
        """Refuse an input that must not be read."""
        settings, name = self._lake.settings, context.asset_key.to_user_string()
        if (context.definition_metadata or {}).get(AS_LANDED):
            day = date.fromisoformat(context.partition_key)
            tags = context.step_context.run_tags
            gate.require_in_step(settings, context.instance, tags, name, day)
            return
        if only and only.column == "as_of_date":
            gate.require_snapshot(settings, context.instance, name, only.start)
        else:
            require_written(uri, only)

    def _inputs_of(self, context: OutputContext) -> inputs.Inputs:
        """The versions of the input tables that this step read."""
        names = sorted(dep.asset_key.to_user_string() for dep in context.asset_spec.deps)
        read = {name: self._read.get((context.step_key, name)) for name in names}
        return {name: version for name, version in read.items() if version is not None}


class SparkDeltaIOManager(DeltaLakeIOManager):
    """Delta tables at ``<root_uri>/<layer>/<table>``, written and read by the engine."""

    engine: ResourceDependency[LazyPySparkResource]
    lake: ResourceDependency[LakeResource]

    @staticmethod
    def type_handlers() -> Sequence[DbTypeHandler]:
        """No handlers here, because they need an engine; ``create_io_manager`` creates the handler."""
        return []

    def create_io_manager(self, context: InitResourceContext) -> DbIOManager:
        return DbIOManager(
            db_client=DeltaLakeDbClient(),
            database="deltalake",
            schema=self.schema_,
            type_handlers=[SparkDeltaHandler(self.engine, self.lake)],
            io_manager_name="SparkDeltaIOManager",
        )


def column_lineage(definition: Mapping[str, Any]) -> Mapping[str, Any]:
    """The lineage of an asset's columns, for the metadata of a materialization.

    Only Dagster+ draws it, from there. Elsewhere it would double the size of the events and take 5 % of a small run.
    """
    told = COLUMN_LINEAGE in definition and IN_DAGSTER_PLUS in os.environ
    return {COLUMN_LINEAGE: definition[COLUMN_LINEAGE]} if told else {}


def _slice(table_slice: TableSlice) -> delta.Slice | None:
    if not table_slice.partition_dimensions:
        return None
    (dimension,) = table_slice.partition_dimensions
    window: Any = dimension.partitions
    return delta.Slice(dimension.partition_expr, window.start.date(), window.end.date())


def _columns(declared: Any) -> Sequence[TableColumn]:
    schema: TableSchema = declared.value if hasattr(declared, "value") else declared
    return schema.columns


def _declared(declared: Any) -> T.StructType:
    """The contract's columns, from the asset's definition in Dagster."""
    return T.StructType([T.StructField(column.name, _type(column.type)) for column in _columns(declared)])


TYPES = {
    kind.simpleString(): kind
    for kind in (
        T.StringType(),
        T.DateType(),
        T.TimestampType(),
        T.BooleanType(),
        T.IntegerType(),
        T.LongType(),
        T.DoubleType(),
        T.ArrayType(T.StringType()),
        T.MapType(T.StringType(), T.LongType()),
    )
}


@cache
def _type(text: str) -> T.DataType:
    """The type of a text. PySpark itself would ask the engine."""
    decimal = re.fullmatch(r"decimal\((\d+),(\d+)\)", text)
    return T.DecimalType(int(decimal[1]), int(decimal[2])) if decimal else TYPES[text]


def _with_extras(declared: Any, extras: Sequence[T.StructField]) -> TableSchema:
    added = [
        TableColumn(f.name, f.dataType.simpleString(), "Not in the contract; kept as it landed")
        for f in extras
    ]
    return TableSchema(columns=[*_columns(declared), *added])


def _audit(context: OutputContext) -> dict[str, Any]:
    """The audit entries of this commit in the Delta log."""
    partitions = ""
    if context.has_asset_partitions:
        span = context.asset_partition_key_range
        partitions = span.start if span.start == span.end else f"{span.start}...{span.end}"
    about = context.output_metadata or {}
    return {
        **({"deliveries": about[DELIVERIES].value} if DELIVERIES in about else {}),
        "run_id": context.run_id,
        "asset": context.asset_key.to_user_string(),
        "partition": partitions,
        "code_version": context.asset_spec.code_version,
        "by": by(context.step_context.run_tags),
        **_told(context),
    }


def _told(context: OutputContext) -> dict[str, str]:
    """What a step tells about its output that later steps look up in the commit."""
    metadata: Mapping[str, Any] = context.output_metadata
    return {name: metadata[name].value for name in (CARRIED_FROM, LAST_MONTH) if name in metadata}
