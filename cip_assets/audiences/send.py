"""Brings an audience to its destinations: the newest day of its ledger, without the holdout."""

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from cip_assets.audiences import ledger
from cip_assets.audiences.columns import CUSTOMERS, OF_CUSTOMERS
from cip_assets.audiences.config import CsvDestination, Webhook
from cip_assets.audiences.marks import Marks
from cip_assets.audiences.members import Compiled
from cip_assets.config.rules import Rules
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF
from cip_assets.contracts.csv_file import CsvFile
from cip_assets.storage import delta, place, questions
from cip_assets.storage.csv_query import query
from cip_assets.storage.files import scratch_beside
from cip_assets.storage.views import literal, view

if TYPE_CHECKING:
    from cip_assets.audiences.webhook import Row, Told


@dataclass(frozen=True)
class Sent:
    """What reached one destination."""

    destination: str
    members: int
    told: "Told | None"


def send(settings: Settings, found: Compiled, rules: Rules, wait: float = 1.0) -> list[Sent]:
    """Bring the newest day of the ledger to each destination of an audience.

    What identifies a person is sent as the rules' ``personal_data`` allow. A destination that fails keeps no other one
    from being told.

    Args:
        settings: the data folder.
        found: the audience.
        rules: the sections ``personal_data`` and ``exports`` are used.
        wait: the seconds before a batch that failed is tried again.

    """
    day = ledger.newest_day(settings, found.name)
    if day is None:
        return []
    contract = OF_CUSTOMERS[CUSTOMERS]
    file = CsvFile(
        found.name, contract, ["customer_id", *found.audience.columns], ["customer_id"], found.name
    )
    with questions.connection() as connection:
        ledger.show(settings, found.name, connection)
        uri = settings.table_uri(contract.layer, contract.table)
        view(connection, CUSTOMERS, delta.dataset(uri, day=day.isoformat()))
        connection.execute(
            f"CREATE TEMP VIEW mart AS SELECT * FROM {CUSTOMERS} WHERE customer_id IN (SELECT customer_id FROM ledger "
            f"WHERE {AS_OF} = DATE '{day}' AND change <> 'left' AND NOT is_holdout)"
        )
        return [
            _write(settings, destination, found.name, file, rules, connection)
            if isinstance(destination, CsvDestination)
            else _tell(settings, destination, found.name, day, file, rules, connection, wait)
            for destination in found.audience.destinations
        ]


def _write(
    settings: Settings,
    destination: CsvDestination,
    audience: str,
    file: CsvFile,
    rules: Rules,
    connection: duckdb.DuckDBPyConnection,
) -> Sent:
    target = settings.final / "audiences" / f"{audience}.csv"
    target.parent.mkdir(parents=True, exist_ok=True)
    with scratch_beside(target) as scratch:
        written = scratch / target.name
        (rows,) = connection.execute(
            f"COPY ({query(file, connection, rules)} ORDER BY customer_id) TO {literal(str(written))} (HEADER)"
        ).fetchone() or (0,)
        written.replace(target)
    place.publish(settings, target)
    return Sent(destination.name, rows, None)


def _tell(
    settings: Settings,
    destination: Webhook,
    audience: str,
    day: date,
    file: CsvFile,
    rules: Rules,
    connection: duckdb.DuckDBPyConnection,
    wait: float,
) -> Sent:
    from cip_assets.audiences.webhook import tell  # noqa: PLC0415 -- few runs need it, and it takes each one 40 ms

    as_it_is = rules.exports.model_copy(update={"neutralize_formulas": False})
    found = connection.execute(query(file, connection, rules.model_copy(update={"exports": as_it_is})))
    columns = [name for name, *_ in found.description or ()]
    members: dict[str, Row] = {}
    while rows := found.fetchmany(10_000):
        members |= {row[0]: dict(zip(columns[1:], row[1:], strict=True)) for row in rows}
    marks = Marks(settings, audience, destination)
    return Sent(destination.name, len(members), tell(destination, audience, day, members, marks, wait))
