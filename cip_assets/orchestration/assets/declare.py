"""How a contract becomes an asset: key, inputs, partitions, columns and their lineage, owners, code version."""

import hashlib
import inspect
import sys
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from types import ModuleType
from typing import Any

import dagster as dg

from cip_assets.config.rules import current_rules
from cip_assets.contracts import TableContract, contract_of
from cip_assets.orchestration.io_manager import AS_LANDED
from cip_assets.orchestration.limits import RETRIES, pool_of
from cip_assets.orchestration.partitions import EVERY_MONTH_SO_FAR, partitions_of

KINDS = {"pyspark", "deltalake"}

NOT_COMPUTED_WITH = {"operations", "exports", "personal_data"}
"""Sections of the rules that change no table: they say how the platform runs, and what the files show."""

COMPUTING = (
    "cip_assets.transforms.",
    "cip_assets.layers.",
    "cip_assets.calc.",
    "cip_assets.analytics.",
    "cip_assets.reporting.dashboard.",
)
"""The packages whose code decides what stands in a table or on the page."""

OWNER_OF = {
    **dict.fromkeys(["landing", "raw", "cleaned", "quarantine"], "team:data-engineering"),
    **dict.fromkeys(["features", "marts"], "team:analytics"),
    "exports": "team:bi",
}
"""The team that answers for a layer."""


def described(contract: TableContract, module: ModuleType) -> dict[str, Any]:
    """What the definition of a table's asset takes from its contract and its transform's module."""
    sources = {name: contract.sources(name) for name in contract.columns}
    metadata = {
        **columns([column(contract, name, found) for name, found in sources.items()], sources),
        "dagster/code_references": dg.CodeReferencesMetadataValue(
            code_references=[code_of(contract, module)]
        ),
    }
    if contract.partition_column:
        metadata["partition_expr"] = contract.partition_column
    promise = (
        contract.key,
        contract.partition_column,
        contract.inputs,
        contract.spark_schema,
        contract.rules,
    )
    text = f"{contract.description}\n\n**Grain:** {contract.grain}. **Key:** {', '.join(contract.key)}."
    return {
        "key": dg.AssetKey([contract.layer, contract.table]),
        "description": text,
        "metadata": metadata,
        "kinds": KINDS,
        "code_version": code_version(module, text=repr(promise)),
        **labels(contract.layer, contract.domain, pii=any(map(contract.is_pii, contract.columns))),
    }


def labels(layer: str, domain: str, *, pii: bool) -> dict[str, Any]:
    """By what an asset is found: its layer, who answers for it, what it is about, whether it names people."""
    return {
        "group_name": layer,
        "owners": [OWNER_OF[layer]],
        "tags": {"domain": domain, **_pii(holds=pii)},
    }


def column(contract: TableContract, name: str, sources: Sequence[str]) -> dg.TableColumn:
    """A column as Dagster shows it. Its sources too, since only Dagster+ draws the lineage of columns."""
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
    """Where a table is computed: the transform of its name, or else the module."""
    transform = getattr(module, contract.table, module)
    line = inspect.getsourcelines(transform)[1] or None
    return dg.LocalFileCodeReference(
        file_path=inspect.getfile(transform), line_number=line, label=transform.__name__
    )


def _pii(*, holds: bool) -> dict[str, str]:
    return {"pii": ""} if holds else {}


def code_version(*modules: ModuleType, text: str = "") -> str:
    """Changes with the code that computes an asset, what that uses of ours, the rules of tables, and a text."""
    rules = current_rules().model_dump_json(exclude=NOT_COMPUTED_WITH)
    content = "".join(source for module in modules for source in _code_of(module)) + rules + text
    return hashlib.sha256(content.encode()).hexdigest()[:12]


@cache
def _code_of(module: ModuleType) -> Sequence[str]:
    """The source of a module and of those that it uses, of the packages that compute tables."""
    found, waiting = {module.__name__: inspect.getsource(module)}, [module]
    while waiting:
        for value in vars(waiting.pop()).values():
            name = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None)
            if str(name).startswith(COMPUTING) and name not in found:
                used = sys.modules[str(name)]
                found[str(name)] = inspect.getsource(used)
                waiting.append(used)
    return [found[name] for name in sorted(found)]


def reads(**tables: str) -> Mapping[str, dg.AssetIn]:
    """The inputs of a snapshot: for each parameter the ``layer/table`` it reads, up to the snapshot's day."""

    def asset_in(name: str) -> dg.AssetIn:
        contract = contract_of(*name.split("/"))
        mapping = EVERY_MONTH_SO_FAR if contract.partition_column == "month" else None
        return dg.AssetIn(
            key=dg.AssetKey([contract.layer, contract.table]),
            partition_mapping=mapping,
            metadata={AS_LANDED: True} if contract.layer == "cleaned" else None,
        )

    return {parameter: asset_in(name) for parameter, name in tables.items()}


def snapshot_day(context: dg.AssetExecutionContext) -> date:
    """The as-of day of the run."""
    return date.fromisoformat(context.partition_key)


def snapshot(contract: TableContract, module: ModuleType) -> dict[str, Any]:
    """What ``@asset`` takes for a table of as-of snapshots; its inputs are parameters by their tables' names."""
    return {
        **described(contract, module),
        **limits(contract.layer, contract.table),
        "ins": reads(**{name.split("/")[1]: name for name in contract.inputs}),
        "partitions_def": partitions_of(contract),
    }


def limits(layer: str, table: str) -> dict[str, Any]:
    """How often the step of a table is tried, and that one step at a time writes it."""
    return {"retry_policy": RETRIES, "pool": pool_of(layer, table)}
