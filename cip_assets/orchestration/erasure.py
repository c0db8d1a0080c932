"""Erases customers: from landing files, tables, files, issued forecasts, audiences, and older versions of all of them.

It is no Dagster job, because Dagster keeps the configuration of every run, and so would keep the ids.
"""

import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from cip_assets.audiences import erase as audiences
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.text_formats import BLANKS
from cip_assets.ingest.erase import ID, Found, find_customers, take_out
from cip_assets.layers import contracts_in
from cip_assets.orchestration.jobs.names import MAINTENANCE
from cip_assets.orchestration.runs import Listener, Platform, Report
from cip_assets.storage import place, questions
from cip_assets.storage.append import data_files
from cip_assets.storage.issued import issues
from cip_assets.storage.views import literal

FILE = "__filename"
"""What pyarrow calls the name of a row's file."""

LINES = ("raw_text", "ragged_text")
"""The columns that have a line as it was delivered."""


@dataclass(frozen=True)
class Trace:
    """Where some customers are in a data folder."""

    landing: Sequence[Found] = ()
    tables: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The names of the data files with rows of them, also those of older versions."""
    issued: Sequence[Path] = ()
    known: Sequence[Path] = ()
    """The folders with what was known on a day, as they are on a disk."""
    audiences: Sequence[Path] = ()
    """Ledgers, marks and files of audiences."""

    @property
    def days(self) -> list[date]:
        """The snapshot days whose tables have rows of them."""
        folders = {name.partition("/")[0] for names in self.tables.values() for name in names}
        days = (name.removeprefix("as_of_date=") for name in folders if name.startswith("as_of_date="))
        return sorted(map(date.fromisoformat, days))

    def __bool__(self) -> bool:
        return bool(self.landing or self.tables or self.issued or self.known or self.audiences)


def trace(settings: Settings, ids: Collection[str]) -> Trace:
    """Find some customers.

    Raises:
        PlatformError: a landing file cannot be read.

    """
    return Trace(
        find_customers(settings.landing, ids),
        _tables(settings, ids),
        [issue.path for issue in issues(settings) if set(issue.rows()[ID].to_pylist()) & {*ids}],
        [of_day.data_dir for of_day in _known(settings) if _tables(of_day, ids)],
        audiences.traces(settings, ids),
    )


def erase(platform: Platform, ids: Collection[str], found: Trace, listener: Listener | None = None) -> Report:
    """Erase some customers, and compute each day again that they were in; returns the report of the newest day.

    If it ends before it is finished, erase them again.

    Raises:
        PlatformError: a landing file is made from exports, which have to be changed first, or a destination may still
            have one of them.

    """
    settings = platform.settings
    audiences.check_all_left(settings, ids)
    made = [file.file.path for file in found.landing if file.is_from_exports]
    if made:
        raise PlatformError(
            f"{made[0]} is made from exports: remove the customer from the exports, run 'cip run', and erase again"
        )
    for file in found.landing:
        take_out(settings, file)
    for path in found.issued:
        _without(path, ids)
        place.publish(settings, path)
    audiences.take_out(settings, ids)
    for folder in found.known:
        if folder.exists():
            shutil.rmtree(folder)
        there = place.of(settings.address)
        there.delete(there.below(f"known/{folder.name}"))
    # It is made again from the tables, and never from older versions of them.
    shutil.rmtree(settings.index, ignore_errors=True)
    accept = sorted({file.file.table for file in found.landing} & {"customers"})
    report = Report()
    if found.landing or found.tables:
        report = platform.run(accept=accept, listener=listener)
        for day in found.days:
            if report.succeeded and day != report.as_of:
                report = platform.run(as_of=day, listener=listener)
        if report.succeeded and found.days:
            report = platform.run(listener=listener)
    tables = [*_tables(settings, ids)]
    if report.succeeded and tables:
        platform.recover(MAINTENANCE, {"tables": tables, "keep_days": 0})
    return report


def _known(settings: Settings) -> list[Settings]:
    """The data folders with what was known on a day."""
    names = {PurePosixPath(name).parts[1] for name in place.of(settings.address).below("known")}
    return [settings.of_day(date.fromisoformat(name)) for name in sorted(names)]


def _tables(settings: Settings, ids: Collection[str]) -> dict[str, list[str]]:
    """The data files of each table that have rows of some customers."""
    found = {}
    for contract in contracts_in():
        uri = settings.table_uri(contract.layer, contract.table)
        if ID in contract.columns and (names := _holding(uri, ids, contract.columns)):
            found[contract.name] = names
    return found


def _holding(uri: str, ids: Collection[str], columns: Collection[str]) -> list[str]:
    """The data files of a table that have rows of some customers."""
    names = data_files(uri)
    if not names:
        return []
    looked_at = [ID, *(line for line in LINES if line in columns)]
    wanted = f"({', '.join(map(literal, ids))})"
    where = [f"trim({ID}, {literal(BLANKS)}) IN {wanted}"]
    where += [
        f"list_has_any(list_transform(string_split({line}, ','), lambda x: trim(x, {literal(BLANKS + chr(34))})), "
        f"[{', '.join(map(literal, ids))}])"
        for line in looked_at[1:]
    ]
    # A file lacks the columns that were added later.
    schema = pa.schema([(name, pa.string()) for name in looked_at])
    files = ds.dataset(names, schema, format="parquet", filesystem=place.of(uri).as_arrow())
    rows = files.scanner([*looked_at, FILE]).to_reader()
    with questions.connection() as connection:
        connection.register("rows", rows)
        found = connection.sql(f"SELECT DISTINCT {FILE} FROM rows WHERE {' OR '.join(where)}").fetchall()
    return [name for (name,) in found]


def _without(path: Path, ids: Collection[str]) -> None:
    """Write an issue again without some customers."""
    rows = pq.read_table(path)
    kept = rows.filter([value not in ids for value in rows[ID].to_pylist()])
    scratch = path.with_suffix(".new")
    pq.write_table(kept, scratch)
    scratch.replace(path)
