"""Finds the older snapshot that a table of a day is carried from: the newest one that would be computed the same now.

A table is carried if its declaration says with which inputs (``contracts/table.py``). Its rows of the older day are
used only if the code and the rules are the same, and no row of these inputs that is dated by the older day has changed
since. So the result is what computing everything again would give.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import dagster as dg

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import TableContract
from cip_assets.contracts.table import Table
from cip_assets.ingest.in_step import RECENT, Written, last_write
from cip_assets.layers import TABLES
from cip_assets.orchestration.due import gate
from cip_assets.storage import delta

EVERYTHING_TAG = ".dagster/cip_everything"
"""The tag of runs that compute everything again, so that nothing is carried."""

LONGEST = timedelta(days=92)
"""How old a snapshot may be to be carried. After a quarter, most rows are computed again anyway."""

CANDIDATES = 10
"""The number of older days that are looked at. If none is right, reading the facts again is cheaper than searching."""

BY_NAME: Mapping[str, Table] = {table.contract.name: table for table in TABLES}


def older_day(
    settings: Settings,
    instance: dg.DagsterInstance,
    codes: Mapping[str, str],
    table: Table,
    day: date,
) -> date | None:
    """The newest day before a snapshot's from which a table can be carried; None if there is none.

    Args:
        settings: the data folder.
        instance: the instance with the history of the checks.
        codes: the current code version of each table, by name.
        table: the table to compute.
        day: the snapshot day, D.

    """

    @cache
    def is_right(name: str, older: date) -> bool:
        """Whether the snapshot of the older day is what would be computed now."""
        written = last_write(settings, name, older)
        if written is None or written.code_version != codes[name]:
            return False
        decisive = BY_NAME[name].carried or tuple(BY_NAME[name].reads.values())
        return all(is_as_read(written, parent, older) for parent in decisive) and all(
            is_right(parent.name, older) for parent in BY_NAME[name].reads.values() if parent.name in BY_NAME
        )

    def is_as_read(written: Written, parent: TableContract, older: date) -> bool:
        change = last_write(settings, parent.name, older)
        return change is not None and written.shows(settings, parent.name, change)

    name = table.contract.name
    if not table.carried:
        return None
    right = (d for d in _older_days(settings, table.contract, day) if is_right(name, d))
    return next((d for d in right if gate.failed_snapshot_check(instance, name, d) is None), None)


def _older_days(settings: Settings, contract: TableContract, day: date) -> Sequence[date]:
    """The days in the quarter before D that were written lately, with rows or without, the newest first."""
    commits = delta.commits(settings.table_uri(contract.layer, contract.table), RECENT)
    written = {str(commit.audit.get("partition") or "") for commit in commits}
    days = {date.fromisoformat(each) for each in written if each}
    near = (older for older in days if older < day <= older + LONGEST)
    return sorted(near, reverse=True)[:CANDIDATES]
