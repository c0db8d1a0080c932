"""The data dictionary, from the contracts: ``python -m cip_assets.reporting.dictionary``."""

import sys
from collections.abc import Iterator

from cip_assets.config.settings import PROJECT
from cip_assets.contracts.contract import LAYERS, TableContract
from cip_assets.layers import contracts_in

DOCUMENT = PROJECT / "docs" / "data-dictionary.md"


def as_markdown() -> str:
    """Every table with its grain, key, columns, types, units, sources and rules."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield "# Data dictionary"
    yield ""
    yield "Generated from the contracts in `cip_assets/layers`. After a change, run"
    yield "`.venv/bin/python -m cip_assets.reporting.dictionary`. A test fails while this page is out of date."
    for layer in LAYERS:
        yield ""
        yield f"## {layer}"
        for contract in contracts_in(layer):
            yield ""
            yield from _table(contract)


def _table(contract: TableContract) -> Iterator[str]:
    yield f"### {contract.name}"
    yield ""
    yield " ".join(contract.description.split())
    yield ""
    partition = f" Partitioned by {contract.partition_column}." if contract.partition_column else ""
    yield f"Grain: {contract.grain}. Key: {', '.join(contract.key)}.{partition}"
    yield ""
    yield "| column | type | required | unit | meaning | from |"
    yield "|---|---|---|---|---|---|"
    for field in contract.spark_schema:
        declared = contract.columns[field.name]
        required = "" if declared.nullable else "yes"
        meaning = (declared.description or "") + (" (personal data)" if contract.is_pii(field.name) else "")
        unit = contract.unit(field.name) or ""
        origin = ", ".join(contract.sources(field.name))
        yield f"| {field.name} | {field.dataType.simpleString()} | {required} | {unit} | {meaning} | {origin} |"
    rules = [rule for rule in contract.rules if not rule.name.endswith(":missing")]
    if rules:
        yield ""
        yield (
            "A row breaks the contract if any of these is true: "
            + "; ".join(f"`{rule.broken_when}`" for rule in rules)
            + "."
        )


if __name__ == "__main__":
    DOCUMENT.write_text(as_markdown(), encoding="utf-8")
    sys.stdout.write(f"{DOCUMENT}\n")
