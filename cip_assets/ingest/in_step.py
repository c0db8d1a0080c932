"""Which months of a table are out of date with the landing folder or the current code.

The lake itself has this information: every row has its file and the file's hash, and every commit has the code version
that wrote it. So there is no separate record that could contradict the tables.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.text_formats import BLANKS
from cip_assets.contracts.types import Delivered
from cip_assets.ingest.manifest import ManifestEntry, newest_delivery, require_readable
from cip_assets.layers import CONTRACTS, FACTS_OF, SOURCE_TABLES
from cip_assets.storage import delta, inputs, questions
from cip_assets.storage.changes import Compared, changes_rows, first_change
from cip_assets.storage.views import view
from cip_assets.storage.written import WHOLE, covers

Holdings = Mapping[str, Mapping[tuple[str, str], int]]
"""For each month (its first day; ``WHOLE`` for a table of full deliveries), the rows per file, by path and version."""


def held_by_landing(source: SourceTable, entries: Sequence[ManifestEntry]) -> Holdings:
    """The row counts of a table's readable files."""
    readable = [entry for entry in entries if entry.problem is None]
    if not source.is_event:
        rows = {(e.path, e.version): e.row_count for e in newest_delivery(readable) if e.row_count}
        return {WHOLE: rows} if rows else {}
    found: dict[str, dict[tuple[str, str], int]] = {}
    for entry in readable:
        for month, count in entry.month_rows.items():
            found.setdefault(month, {})[entry.path, entry.version] = count
    return found


def require_files(settings: Settings, source: SourceTable, entries: Sequence[ManifestEntry]) -> None:
    """Refuse to read a table whose files cannot be read or are gone. A table that was never delivered has no rows.

    Raises:
        PlatformError: a file cannot be read; or no file has landed, although the table has rows.

    """
    require_readable(source, entries)
    if entries:
        return
    if held_by_tables([settings.table_uri("raw", source.name)], by_month=source.is_event):
        raise PlatformError(
            f"{source.name}: no file has landed, but the table has rows from files that were removed; put "
            f"{source.name}.csv into the landing folder (only the header line if there are no rows: "
            f"{','.join(source.columns)})"
        )


def landed_rows(source: SourceTable, entries: Sequence[ManifestEntry], only: delta.Slice | None) -> int:
    """The number of lines according to the manifest, in all months or in those of a slice."""
    held = held_by_landing(source, entries)
    months = [m for m in held if only is None or str(only.start) <= m < str(only.end)]
    return sum(rows for month in months for rows in held[month].values())


def held_by_tables(uris: Sequence[str], *, by_month: bool) -> Holdings:
    """The row counts of several tables together, such as cleaned and quarantine; nothing if one was not written yet."""
    versions = _versions(uris)
    return _held(versions, by_month=by_month) if versions else {}


Versions = tuple[tuple[str, delta.CommitFile], ...]
"""The addresses of tables, each with its newest commit. Queries on them can be cached."""


def _versions(uris: Sequence[str]) -> Versions:
    """The current version of each table; nothing if one of them was not written yet."""
    newest = [(uri, delta.newest_commit(uri)) for uri in uris]
    found = tuple((uri, commit) for uri, commit in newest if commit)
    return found if len(found) == len(uris) else ()


@lru_cache(maxsize=64)
def _held(tables: Versions, *, by_month: bool) -> Holdings:
    month = "month" if by_month else f"'{WHOLE}'"
    parts = [f"SELECT {month}, source_file, source_version FROM part_{n}" for n in range(len(tables))]
    query = f"SELECT *, count(*) FROM ({' UNION ALL '.join(parts)}) GROUP BY ALL"
    found: dict[str, dict[tuple[str, str], int]] = {}
    for in_month, file, version, count in _ask(tables, query):
        found.setdefault(str(in_month), {})[file, version] = count
    return found


def _ask(tables: Versions, query: str) -> list[tuple[Any, ...]]:
    """The rows of a query on these versions of tables, which are named ``part_0``, ``part_1`` and so on."""
    with questions.connection() as connection:
        for number, (uri, commit) in enumerate(tables):
            view(connection, f"part_{number}", delta.dataset(uri, version=commit.version))
        return connection.execute(query).fetchall()


def not_as_landed(settings: Settings, source: SourceTable, entries: Sequence[ManifestEntry]) -> set[str]:
    """The months whose lines in cleaned and quarantine differ from the landed ones; ``WHOLE`` for full deliveries."""
    landed = held_by_landing(source, entries)
    held = held_by_tables(_judged(settings, source), by_month=source.is_event)
    return {month for month in landed.keys() | held.keys() if landed.get(month) != held.get(month)}


def _judged(settings: Settings, source: SourceTable) -> list[str]:
    """The tables that together hold every line after cleaning."""
    return [settings.table_uri(layer, source.name) for layer in ("cleaned", "quarantine")]


def moved(settings: Settings, source: SourceTable) -> set[str]:
    """The months to clean again because a line with one of their ids is now in another month, or no longer is.

    An id is only in one month, that of its newest good line. So no id is in cleaned twice, and every superseded line
    has the row that superseded it.
    """
    tables = _versions(_judged(settings, source)) if source.is_event else ()
    return set(_moved(tables, source.id_column)) if tables else set()


@lru_cache(maxsize=64)
def _moved(tables: Versions, key: str) -> frozenset[str]:
    query = f"""
        WITH hashes AS (SELECT hash({key}) AS hash FROM part_0 GROUP BY hash HAVING min(month) <> max(month)),
        twice AS (
            SELECT {key} FROM part_0 WHERE hash({key}) IN (FROM hashes)
            GROUP BY {key} HAVING min(month) <> max(month)),
        beaten AS (
            SELECT trim({key}, '{BLANKS}') AS {key}, month
            FROM part_1 WHERE outcome = 'superseded')
        SELECT month FROM part_0 SEMI JOIN twice USING ({key})
        UNION SELECT month FROM beaten ANTI JOIN (
            SELECT {key} FROM part_0 SEMI JOIN beaten USING ({key})) USING ({key})
    """
    return frozenset(str(month) for (month,) in _ask(tables, query))


def out_of_step(
    source: SourceTable, entries: Sequence[ManifestEntry], stages: Sequence[Mapping[str, str]]
) -> dict[str, str]:
    """The months of a table that are out of date, each with the reason; ``WHOLE`` for a table of full deliveries.

    Args:
        source: the table.
        entries: its files, from the manifest.
        stages: sets of tables that together hold every line, each table with the code version that it should have.

    """
    landed = held_by_landing(source, entries)
    stale: dict[str, str] = {}
    for codes in stages:
        held = held_by_tables(list(codes), by_month=source.is_event)
        for month in landed.keys() | held.keys():
            if landed.get(month) != held.get(month):
                stale.setdefault(month, FILES if held.get(month) else NEW)
        written_with = {
            uri: code_by_month(delta.history(delta.open_table(uri)), landed)
            for uri in codes
            if delta.exists(uri)
        }
        for month in landed:
            # A table that never had a row in a month has no commit for it and does not count.
            found = {uri: by_month[month] for uri, by_month in written_with.items() if month in by_month}
            differing = [(codes[uri], code) for uri, code in found.items() if codes[uri] != code]
            if not found:
                stale.setdefault(month, NEW)
            elif differing:
                stale.setdefault(month, why_other_code(*differing[0]))
    return stale


NEW, FILES, RESTORED = "new", "files changed", "restored"
"""Reasons to compute something again."""


def why_other_code(now: str | None, then: str | None) -> str:
    """What changed between two code versions, whose second part stands for the rules."""
    if not now or not then or "-" not in then:
        return RESTORED if then in {None, RESTORED} else "code changed"
    (code, rules), (old_code, old_rules) = now.split("-"), then.split("-")
    changed = [
        name for name, is_other in (("code", code != old_code), ("rules", rules != old_rules)) if is_other
    ]
    return f"{' and '.join(changed)} changed"


FACTS: Mapping[str, SourceTable] = {facts.contract.name: facts.source for facts in FACTS_OF.values()}
"""The source table of each table of facts, which is named as ``layer/table``."""


def behind(settings: Settings, facts: str, until: date) -> set[str]:
    """The months up to a day whose facts do not show the cleaned events."""
    return {month for month in without_facts(settings, FACTS[facts]) if month <= str(until)}


def without_facts(settings: Settings, source: SourceTable, code: str | None = None) -> set[str]:
    """The months whose facts were never computed, or before the cleaned events were last written, or by other code than
    the given one. There is none if a table has no facts, or was not written yet.
    """
    facts = FACTS_OF.get(source.name)
    events = _versions([settings.table_uri("cleaned", source.name)])
    if facts is None or not events:
        return set()
    summed = _versions([settings.table_uri(facts.contract.layer, facts.contract.table)])
    return set(_without_facts(events, summed, source.cleaned.name, code))


@lru_cache(maxsize=64)
def _without_facts(events: Versions, facts: Versions, name: str, code: str | None) -> frozenset[str]:
    (of_events, _), of_facts = events[0], [uri for uri, _ in facts]
    months = {str(month) for uri in (of_events, *of_facts) for month in delta.slices(uri, "month")}
    if not facts and not months:
        # Any month that was written creates the table.
        months = {
            str(c.audit["partition"])[:10] for c in delta.commits(of_events) if c.audit.get("partition")
        }
    computed = {month: c for uri in of_facts for month, c in _newest_by_month(uri, months).items()}

    def is_behind(month: str, written: delta.Commit) -> bool:
        made = computed.get(month)
        return (
            made is None
            or not inputs.includes(of_events, inputs.told_in(made.audit).get(name), written.version)
            or code not in {None, made.audit.get("code_version")}
        )

    return frozenset(m for m, written in _newest_by_month(of_events, months).items() if is_behind(m, written))


def shows_deliveries(settings: Settings, source: SourceTable, digest: str, code: str) -> bool:
    """Whether the history of a table was computed from these deliveries and the cleaned rows, by the given code.

    Args:
        settings: the data folder.
        source: a table of full deliveries.
        digest: of its landing files.
        code: the code version of the history.

    """
    uris = [settings.table_uri(c.layer, c.table) for c in (source.cleaned, source.history) if c]
    if not all(map(delta.exists, uris)):
        return False
    cleaned, made = map(_last_change, uris)
    if made is None or (made.audit.get("deliveries"), made.audit.get("code_version")) != (digest, code):
        return False
    read = inputs.told_in(made.audit).get(source.cleaned.name)
    return cleaned is None or inputs.includes(uris[0], read, cleaned.version)


def _last_change(uri: str) -> delta.Commit | None:
    """The newest commit of a table that may have changed its rows; None if it was created and nothing was written."""
    return next((commit for commit in delta.commits(uri) if commit.operation not in KEEPS_ROWS), None)


def _newest_by_month(uri: str, months: Iterable[str]) -> dict[str, delta.Commit]:
    """For each month, the newest commit of a table that may have changed its rows."""
    undecided, found = set(months), dict[str, delta.Commit]()
    for commit in delta.commits(uri):
        if not undecided:
            break
        if commit.operation in KEEPS_ROWS:
            continue
        partition = str(commit.audit.get("partition", ""))
        # What was not written by a run of ours, such as a restore, may have changed any month.
        changed = {m for m in undecided if covers(partition, m)} if partition else set(undecided)
        undecided -= changed
        found |= dict.fromkeys(changed, commit)
    return found


def code_by_month(commits: Iterable[delta.Commit], months: Iterable[str]) -> dict[str, str]:
    """For each written month, the code version of its newest write, or "restored" after a restore."""
    undecided, found = set(months), dict[str, str]()
    for commit in commits:
        if commit.operation == "RESTORE":
            return found | dict.fromkeys(undecided, "restored")
        if "code_version" not in commit.audit:
            continue
        partition = str(commit.audit.get("partition", ""))
        for month in {month for month in undecided if covers(partition, month)}:
            undecided.remove(month)
            found[month] = str(commit.audit["code_version"])
    return found


RECENT = 50
"""The number of commits of a table that are read. A day that was written before them is computed again."""

PROVENANCE = frozenset(Delivered.to_schema().columns)
"""The columns that say where a row came from. No snapshot reads them, and the same row can be delivered again."""

KEEPS_ROWS = {"CREATE TABLE", "ADD COLUMN", "OPTIMIZE", "VACUUM START", "VACUUM END"}
"""The operations that do not change a table's rows."""


@dataclass(frozen=True)
class Written:
    """The newest write of a table, of one of its days, or of a file, with its code and the versions of its inputs."""

    version: int
    row_count: int | None
    code_version: str | None
    computed_from: inputs.Inputs
    sha256: str = ""
    """The hash of a file."""

    def shows(self, settings: Settings, name: str, change: "Written") -> bool:
        """Whether it was computed from a table as this write of the table left it, or a later one."""
        return inputs.includes(
            settings.table_uri(*name.split("/")), self.computed_from.get(name), change.version
        )


def last_write(settings: Settings, name: str, day: date) -> Written | None:
    """The newest write of a table that affects a snapshot day; None if none is known.

    For a table of snapshots it is the newest write of the day. For cleaned tables and facts it is the newest write that
    changed a row dated by the day: one that wrote a month again with the same rows up to the day does not count.
    """
    contract = CONTRACTS[name]
    uri = settings.table_uri(contract.layer, contract.table)

    def is_seen(commit: delta.Commit) -> bool:
        if compared := _compared(name):
            return changes_rows(uri, commit.version, compared, day)
        partition = str(commit.audit.get("partition", ""))
        is_by_day = contract.partition_column == "as_of_date"
        return not is_by_day or "code_version" not in commit.audit or covers(partition, str(day))

    writes = [commit for commit in delta.commits(uri, RECENT) if commit.operation not in KEEPS_ROWS]
    seen = next((commit for commit in writes if is_seen(commit)), None)
    if seen is None and writes and writes[-1].version <= 1 and _compared(name):
        seen = writes[-1]  # it has never had a row up to the day
    if seen is None:
        return None
    return Written(
        seen.version,
        seen.row_count,
        # A restored version was not computed from the current inputs.
        None if seen.operation == "RESTORE" else seen.audit.get("code_version"),
        inputs.told_in(seen.audit),
    )


def changed_since(settings: Settings, name: str, read: inputs.Read | None, day: date) -> date | None:
    """The first day, up to a snapshot's, whose rows in a cleaned table or in facts changed after they were read.

    None if there is none, and for other tables.
    """
    compared, contract = _compared(name), CONTRACTS[name]
    if compared is None:
        return None
    uri = settings.table_uri(contract.layer, contract.table)
    last = read.number if read and inputs.is_there(uri, read) else -1
    newer = (commit.version for commit in delta.commits(uri, RECENT) if commit.version > last)
    return min(filter(None, (first_change(uri, each, compared, day) for each in newer)), default=None)


@lru_cache
def _compared(name: str) -> Compared | None:
    """What of a table's rows a snapshot may read; None for tables of other layers than cleaned and facts."""
    contract = CONTRACTS[name]
    if name in FACTS:
        day: str | None = FACTS_OF[FACTS[name].name].day
    elif contract.layer == "cleaned":
        day = SOURCE_TABLES[contract.table].event_date
    else:
        return None
    skipped = {*PROVENANCE, contract.partition_column}
    return Compared(tuple(column for column in contract.columns if column not in skipped), day)
