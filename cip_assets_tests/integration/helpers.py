"""Small landing folders and functions that read results, for tests of complete runs."""

import csv
import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake import DeltaTable

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import TableContract
from cip_assets.layers import SOURCE_TABLES, contracts_in
from cip_assets.reporting.dashboard.figures import Figures

LANDED: Mapping[str, str] = {
    "customers": "C1,Ada,Lovelace,ada@example.org,Female,1990-12-10,2024-01-02,North,Consumer\n"
    "C2,Alan,Turing,alan@example.org,Male,1992-06-23,2024-01-05,South,Corporate\n",
    "products": "P1,Lamp,Home,Lumo,5.00,12.50\n",
    "transactions": "T1,C1,P1,1,12.50,12.50,PayPal,2024-01-10\nT2,C1,P1,2,12.50,25.00,PayPal,2024-02-11\n"
    "T3,C2,P1,1,12.50,12.50,Cash,2024-02-12\n",
    "returns": "R1,T3,C2,P1,12.50,Damaged,2024-02-20\n",
    "support_tickets": "S1,C2,Returns,High,Open,2024-02-21,\n",
    "web_activity": "W1,C1,Page View,P1,2024-02-10 10:00:00\n",
}
"""Two customers, three purchases: enough for every table to have a row."""


TWO_CURRENCIES: Mapping[str, str] = {
    "transactions": "transaction_id,order_id,customer_id,is_guest,product_id,quantity,price,amount,currency,"
    "original_amount,charged,payment_method,transaction_date\n"
    "1-1,1,ann,,p1,1,10,10.00,EUR,,12.00,PayPal,2024-01-05\n"
    "1-2,1,ann,,p2,1,20,20.00,EUR,,22.00,PayPal,2024-01-05\n"
    "2-1,2,bob,,p1,1,18,,GBP,18.00,20.00,PayPal,2024-02-05\n"
    "3-1,3,cat,,p2,1,40,40.00,EUR,,40.00,Cash,2024-05-20\n"
    "4-1,4,,true,p1,1,4,,GBP,4.00,4.00,Cash,2024-06-02\n",
    "returns": "return_id,transaction_id,customer_id,product_id,amount,currency,original_amount,refunded,"
    "return_reason,return_date\n"
    "r1,2-1,bob,p1,,GBP,9.00,11.00,Other,2024-02-20\n",
}
"""Purchases and returns in EUR and GBP, without rates; every file has its header."""

NO_CUSTOMERS: Mapping[str, str] = {
    "transactions": "transaction_id,order_id,customer_id,is_guest,product_id,quantity,price,amount,currency,"
    "payment_method,transaction_date\n"
    "1-1,1,,true,p1,1,10,10.00,EUR,PayPal,2024-01-05\n"
    "1-2,1,,true,p2,1,20,20.00,EUR,PayPal,2024-01-05\n"
    "2-1,2,,true,p1,1,12,12.00,EUR,PayPal,2024-02-05\n",
}
"""Purchases of which none names a customer."""


def land_files(landing: Path, files: Mapping[str, str]) -> None:
    """Write landing files as they are, by the name of their table."""
    landing.mkdir(parents=True, exist_ok=True)
    for table, text in files.items():
        (landing / f"{table}.csv").write_text(text, encoding="utf-8")


def land(landing: Path, name: str, rows: str, columns: str | None = None) -> Path:
    """Write a landing file: `table.csv`, or any path below `table/`."""
    path = landing / name
    path.parent.mkdir(parents=True, exist_ok=True)
    table = name.split("/", maxsplit=1)[0].removesuffix(".csv")
    path.write_text(f"{columns or ','.join(SOURCE_TABLES[table].columns)}\n{rows}", encoding="utf-8")
    return path


def land_all(landing: Path, **rows: str) -> None:
    """Write the small landing folder, with different rows for the named tables."""
    for table, usual in LANDED.items():
        land(landing, f"{table}.csv", rows.get(table, usual))


def rows_of(settings: Settings, name: str) -> list[dict[str, Any]]:
    """A Delta table's rows, in a fixed order."""
    layer, table = name.split("/")
    rows = DeltaTable(settings.table_uri(layer, table)).to_pyarrow_table().to_pylist()
    return sorted(rows, key=lambda row: [str(value) for value in row.values()])


def every_table(settings: Settings) -> dict[str, pa.Table]:
    """The content of every existing table, sorted by its key."""
    content = {}
    for contract in contracts_in():
        uri = settings.table_uri(contract.layer, contract.table)
        if not DeltaTable.is_deltatable(uri):
            continue
        content[contract.name] = sorted_table(DeltaTable(uri).to_pyarrow_table(), contract)
    return content


def sorted_table(rows: pa.Table, contract: TableContract) -> pa.Table:
    """The rows in the order of the contract's key, with the columns in the order of their names."""
    return rows.select(sorted(rows.column_names)).sort_by([(name, "ascending") for name in contract.key])


def files_of(settings: Settings) -> dict[str, str]:
    """The hash of each exported file."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in settings.final.glob("*.csv")}


def exported(settings: Settings, name: str) -> list[dict[str, str]]:
    with (settings.final / f"{name}.csv").open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream))


def data_files(settings: Settings, name: str) -> dict[str, set[str]]:
    """The data files of each month of a table."""
    layer, table = name.split("/")
    months: dict[str, set[str]] = {}
    for path in DeltaTable(settings.table_uri(layer, table)).file_uris():
        month = next(part for part in Path(path).parts if part.startswith("month="))
        months.setdefault(month.removeprefix("month="), set()).add(path)
    return months


def date_earlier(uri: str, hours: int = 2) -> None:
    """Date the commits of a table earlier, as a clock does that has gone back."""

    def earlier(moment: re.Match[str]) -> str:
        return f'"timestamp":{int(moment[1]) - hours * 3_600_000}'

    for log in Path(uri, "_delta_log").glob("*.json"):
        log.write_text(re.sub(r'"timestamp":(\d+)', earlier, log.read_text("utf-8")), "utf-8")


def added_up(found: Figures, name: str) -> list[dict[str, Any]]:
    """A fact over all cells, with its quotients: what the charts show before a filter is set."""
    fact = found.cube["facts"][name]
    rows: dict[tuple[Any, ...], dict[str, Any]] = defaultdict(lambda: dict.fromkeys(fact["sums"], 0))
    for i in range(len(fact["cell"])):
        key = tuple(column["values"][column["codes"][i]] for column in fact["keys"].values())
        for measure, values in fact["sums"].items():
            rows[key][measure] += values[i]
    added = [{**dict(zip(fact["keys"], key, strict=True)), **sums} for key, sums in sorted(rows.items())]
    for row in added:
        for ratio, (over, under, times) in fact["ratios"].items():
            row[ratio] = times * row[over] / row[under] if row[under] else None
        if share := fact["share"]:
            row[f"{share}_share"] = row[share] / sum(other[share] for other in added)
    return added
