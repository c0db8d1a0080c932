"""One contract per table: the only place where a column is declared.

A contract is a pandera model plus its grain, key, partitioning and inputs. From it come the cleaning rules,
the asset checks, Dagster's dependencies, column schema, lineage and descriptions, the Delta schema and the data
dictionary.
Modules follow the layers: ``landing`` (manifest), ``cleaned`` (the six sources; ``raw`` and ``quarantine``
are derived from them), ``features`` and ``marts``. Nothing here computes, and nothing imports Dagster.
"""

from cip_assets.contracts import features, landing, marts
from cip_assets.contracts.cleaned import EVENT_TABLES, SNAPSHOT_TABLES, SOURCE_TABLES, SourceTable
from cip_assets.contracts.table import CONTRACTS, LAYERS, TableContract, contract_of, contracts_in

__all__ = [
    "CONTRACTS",
    "EVENT_TABLES",
    "LAYERS",
    "SNAPSHOT_TABLES",
    "SOURCE_TABLES",
    "SourceTable",
    "TableContract",
    "contract_of",
    "contracts_in",
    "features",
    "landing",
    "marts",
]
