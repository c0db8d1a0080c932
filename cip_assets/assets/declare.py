"""How a contract becomes an asset: key, partitions, columns, descriptions, code version."""

import hashlib
import inspect
from collections.abc import Mapping
from datetime import date
from types import ModuleType
from typing import Any

import dagster as dg

from cip_assets.automation.limits import RETRIES, pool_of
from cip_assets.automation.partitions import EVERY_MONTH_SO_FAR, partitions_of
from cip_assets.contracts import TableContract, contract_of
from cip_assets.rules import current_rules

KINDS = {"pyspark", "deltalake"}


def column_schema(contract: TableContract) -> dg.TableSchema:
    """The contract's columns as Dagster shows them."""

    def describe(name: str) -> str:
        unit = contract.unit(name)
        text = contract.columns[name].description or ""
        return f"{text} [{unit}]" if unit else text

    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                field.name,
                field.dataType.simpleString(),
                describe(field.name),
                constraints=dg.TableColumnConstraints(
                    nullable=bool(contract.columns[field.name].nullable), unique=contract.key == (field.name,)
                ),
                tags={"pii": ""} if contract.is_pii(field.name) else {},
            )
            for field in contract.spark_schema
        ]
    )


def described(contract: TableContract, module: ModuleType) -> dict[str, Any]:
    """What the definition of a table's asset takes from its contract and its transform's module."""
    metadata: dict[str, Any] = {"dagster/column_schema": column_schema(contract)}
    if contract.partition_column:
        metadata["partition_expr"] = contract.partition_column
    text = f"{contract.description}\n\n**Grain:** {contract.grain}. **Key:** {', '.join(contract.key)}."
    return {
        "key": dg.AssetKey([contract.layer, contract.table]),
        "description": text,
        "group_name": contract.layer,
        "metadata": metadata,
        "kinds": KINDS,
        "code_version": code_version(module),
    }


def code_version(module: ModuleType) -> str:
    """Changes with the code that computes a table and with the business rules."""
    content = inspect.getsource(module) + current_rules().model_dump_json(exclude={"operations"})
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def reads(**tables: str) -> Mapping[str, dg.AssetIn]:
    """The inputs of a snapshot: for each parameter the ``layer/table`` it reads, up to the snapshot's day."""

    def asset_in(name: str) -> dg.AssetIn:
        contract = contract_of(*name.split("/"))
        mapping = EVERY_MONTH_SO_FAR if contract.partition_column == "month" else None
        return dg.AssetIn(key=dg.AssetKey([contract.layer, contract.table]), partition_mapping=mapping)

    return {parameter: asset_in(name) for parameter, name in tables.items()}


def snapshot_day(context: dg.AssetExecutionContext) -> date:
    """The as-of day of the run."""
    return date.fromisoformat(context.partition_key)


def snapshot(contract: TableContract, module: ModuleType) -> dict[str, Any]:
    """What ``@asset`` takes for a table of as-of snapshots."""
    return {
        **described(contract, module),
        **limits(contract.layer, contract.table),
        "partitions_def": partitions_of(contract),
    }


def limits(layer: str, table: str) -> dict[str, Any]:
    """How often the step of a table is tried, and that one step at a time writes it."""
    return {"retry_policy": RETRIES, "pool": pool_of(layer, table)}
