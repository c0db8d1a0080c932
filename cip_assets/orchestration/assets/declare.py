"""What an asset takes from its contract: key, columns and their lineage, owners, limits, code version."""

import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

import dagster as dg

from cip_assets.config.rules import Rules
from cip_assets.config.settings import app_address
from cip_assets.contracts.contract import TableContract
from cip_assets.orchestration.assets.code_version import code_version
from cip_assets.orchestration.limits import RETRIES, pool_of

KINDS = {"pyspark", "deltalake"}

OWNER_OF = {
    **dict.fromkeys(["landing", "raw", "cleaned", "quarantine", "facts"], "team:data-engineering"),
    **dict.fromkeys(["features", "marts"], "team:analytics"),
    "exports": "team:bi",
    "audiences": "team:marketing",
}
"""The team that owns a layer."""

LINKS = "dagster/code_references"
"""Where Dagster finds links to code in the metadata of an asset."""


def described(contract: TableContract, *modules: ModuleType, rules: Rules) -> dict[str, Any]:
    """What the definition of a table's asset takes from its contract.

    Args:
        contract: of the table.
        modules: the code that computes it. The asset links to the first.
        rules: the business rules that it is computed by.

    """
    sources = {name: contract.sources(name) for name in contract.columns}
    metadata = {
        **columns([column(contract, name, found) for name, found in sources.items()], sources),
        LINKS: dg.CodeReferencesMetadataValue(code_references=[code_of(contract, modules[0])]),
    }
    if contract.table == "customer_360":
        metadata["cip app"] = dg.MetadataValue.url(app_address())
    if contract.partition_column:
        metadata["partition_expr"] = contract.partition_column
    text = f"{contract.description}\n\n**Grain:** {contract.grain}. **Key:** {', '.join(contract.key)}."
    return {
        "key": dg.AssetKey([contract.layer, contract.table]),
        "description": text,
        "metadata": metadata,
        "kinds": KINDS,
        "code_version": version_of(contract, *modules, rules=rules),
        **labels(contract.layer, contract.domain, pii=any(map(contract.is_pii, contract.columns))),
    }


def version_of(contract: TableContract, *modules: ModuleType, rules: Rules) -> str:
    """The code version of a table: that of the code that computes it, and of what its contract promises."""
    promise = (
        contract.key,
        contract.partition_column,
        [source.name for source in contract.inputs],
        contract.spark_schema,
        contract.rules,
    )
    return code_version(*modules, rules=rules, text=repr(promise))


def labels(layer: str, domain: str, *, pii: bool) -> dict[str, Any]:
    """What people search assets by: layer, owner, domain, and whether it identifies people."""
    return {
        "group_name": layer,
        "owners": [OWNER_OF[layer]],
        "tags": {"domain": domain, **_pii(holds=pii)},
    }


def column(contract: TableContract, name: str, sources: Sequence[str]) -> dg.TableColumn:
    """A column as Dagster shows it. The description names its sources, because only Dagster+ draws column lineage."""
    declared = contract.columns[name]
    unit = f" [{contract.unit(name)}]" if contract.unit(name) else ""
    origin = f" ← {', '.join(sources)}" if sources else ""
    return dg.TableColumn(
        name,
        contract.spark_schema[name].dataType.simpleString(),
        f"{declared.description}{unit}{origin}",
        constraints=dg.TableColumnConstraints(
            nullable=bool(declared.nullable), unique=contract.key == (name,)
        ),
        tags=_pii(holds=contract.is_pii(name)),
    )


def columns(shown: Sequence[dg.TableColumn], sources: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Metadata: the columns of a table, and the ``layer/table.column`` that each comes from."""

    def dep(source: str) -> dg.TableColumnDep:
        table, _, name = source.rpartition(".")
        return dg.TableColumnDep(dg.AssetKey(table.split("/")), name)

    return {
        "dagster/column_schema": dg.TableSchema(columns=shown),
        "dagster/column_lineage": dg.TableColumnLineage(
            {name: [dep(source) for source in found] for name, found in sources.items() if found}
        ),
    }


def code_of(contract: TableContract, module: ModuleType) -> dg.LocalFileCodeReference:
    """Where a table is computed: its function, or else the module."""
    found = vars(module).get(contract.table)
    transform = getattr(found, "transform", module)
    line = transform.__code__.co_firstlineno if inspect.isfunction(transform) else None
    return dg.LocalFileCodeReference(
        file_path=inspect.getfile(transform), line_number=line, label=transform.__name__
    )


def _pii(*, holds: bool) -> dict[str, str]:
    return {"pii": ""} if holds else {}


def limits(layer: str, table: str) -> dict[str, Any]:
    """The retry policy of a table's step, and the pool that lets one step at a time write it."""
    return {"retry_policy": RETRIES, "pool": pool_of(layer, table)}
