"""Looks at the exports of a shop and proposes ``sources.yaml``."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, DateOrder, Export, Layout, Sources, files_of, load_sources
from cip_assets.sources.convert import Summary, look_at
from cip_assets.sources.databases.database import FOLDER, Database, pattern_of, with_known
from cip_assets.sources.databases.fetch import fetch, types_in
from cip_assets.sources.reading.dialect import Dialect, detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member, members, skipped
from cip_assets.sources.reading.records import read
from cip_assets.sources.recognize import Finding, propose

SAMPLE = 20_000
"""How many records of each header are looked at, about."""

TAKEN = (None, "too_few_fields")
"""The problems of records that are looked at: a total line often has fewer fields."""

SHOWN = 3
"""The files of a header that are named."""


@dataclass(frozen=True)
class Adopted:
    """What was found: the proposal, and for each header the files, the findings and the questions that stop."""

    sources: Sources
    summary: Summary
    findings: Mapping[str, Sequence[Finding]]
    left_aside: Sequence[str]
    """Files that are not read, each with the reason."""


def adopt(
    paths: Sequence[Path],
    data_dir: Path,
    date_order: DateOrder | None = None,
    databases: Sequence[Database] = (),
) -> Adopted:
    """Look at exports, and propose how they are read. What ``sources.yaml`` has already is kept, and added to.

    Args:
        paths: files and folders.
        data_dir: the data folder.
        date_order: the answer to whether the day or the month comes first, if dates allow both.
        databases: what to fetch and look at, too.

    Raises:
        PlatformError: there is nothing to read; a file cannot be read; no file holds order lines; or something would
            give a wrong number.

    """
    before = load_sources(data_dir)
    known = before.databases if before else ()
    fetch(databases := with_known(databases, known), data_dir)
    paths = [*paths, *(data_dir / FOLDER / database.name for database in databases)]
    exports = list(before.exports) if before else []
    kept = {frozenset(layout.header): layout for export in exports for layout in export.layouts}
    covered = {path for export in exports for path in files_of(export, data_dir)}
    by_header, left_aside = _by_header(_files(paths, data_dir))
    layouts: list[Layout] = []
    findings: dict[str, Sequence[Finding]] = {}
    used: set[Path] = set()
    stops: list[str] = []
    for found in by_header.values():
        header = found[0][1].columns
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        names = ", ".join(member.name for member, *_ in found[:SHOWN]) + more
        if frozenset(header) in kept:
            findings[names] = [Finding("all", (), "chosen", f"as {FILE} says")]
            used |= {path for *_, path in found}
            continue
        proposal = propose(header, list(_sample(found)), date_order)
        if proposal is None:
            left_aside.append(f"{names}: no order lines; {NEEDS}")
        elif len(by_header) > 1 and all(OTHER.search(member.name) for member, *_ in found):
            left_aside.append(f"{names}: by its name no order lines; adopt it alone if it has them")
        else:
            layouts.append(proposal.layout)
            findings[names] = proposal.findings
            stops += [f"{names}: {stop}" for stop in proposal.stops]
            used |= {path for *_, path in found}
    findings |= {database.what: zone for database in databases if (zone := _zone(database, data_dir))}
    if not used:
        raise PlatformError(f"no file holds order lines; {NEEDS}: {'; '.join(left_aside)}")
    if stops:
        raise PlatformError(stops[0])
    new = _patterns(sorted(used - covered), data_dir)
    first, *others = exports or [Export(files=(), layouts=())]
    joined = Export(files=(*first.files, *new), layouts=(*first.layouts, *layouts))
    draft = Sources(
        first_month=date(1900, 1, 1),
        exports=(joined, *others),
        databases=(
            *(database for database in known if database not in databases),
            *(_with_order(database, joined.layouts, data_dir) for database in databases),
        ),
    )
    summary = look_at(draft, data_dir)
    _refuse_unread(summary)
    begin = (summary.first_day or date(1970, 1, 1)).replace(day=1)
    return Adopted(draft.model_copy(update={"first_month": begin}), summary, findings, left_aside)


NEEDS = "an order id and a date on every record, and an amount, are needed"
OTHER = re.compile(
    r"refund|return|payment|payout|shipment|fulfil|product|customer|inventory|stock", re.IGNORECASE
)
"""Names of files beside the orders, whose records are no order lines although they have a date and an amount."""

FEW_UNREAD = 2
UNREAD_SHARE = 0.05


def _refuse_unread(summary: Summary) -> None:
    """Refuse a proposal by which too many records cannot be read: a column then means something else.

    Raises:
        PlatformError: there are no sales, or too many records without an order, a day, a quantity or an amount.

    """
    count = {kind.kind: kind.records for kind in summary.kinds}
    unread = count.get("unreadable", 0) + count.get("broken", 0)
    if summary.orders == 0 or unread > max(FEW_UNREAD, UNREAD_SHARE * summary.records):
        raise PlatformError(
            f"{unread} of {summary.records} records have no order, day, quantity or amount that can be read, and "
            f"{count.get('sale', 0)} are sales: {'; '.join(summary.unread) or 'see the table'}; deliver the export in "
            "another form, or write the layout yourself (docs/sources.md)"
        )


def _by_header(
    files: Sequence[Path],
) -> tuple[dict[tuple[str, ...], list[tuple[Member, Dialect, Path]]], list[str]]:
    """What is in the files, by header, and what is left aside.

    Raises:
        PlatformError: a file cannot be read.

    """
    by_header: dict[tuple[str, ...], list[tuple[Member, Dialect, Path]]] = {}
    left_aside: list[str] = []
    for path in files:
        try:
            left_aside += [f"{found.name}: {found.reason}" for found in skipped(path)]
            for member in members(path):
                dialect = detect(member)
                by_header.setdefault(tuple(sorted(dialect.columns)), []).append((member, dialect, path))
        except UnreadableExport as error:
            raise PlatformError(str(error)) from error
    return by_header, left_aside


def write(adopted: Adopted, data_dir: Path) -> Path:
    """Write ``sources.yaml`` into the data folder, with comments."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / FILE
    content = yaml.safe_dump(
        adopted.sources.model_dump(mode="json", by_alias=True, exclude_none=True),
        sort_keys=False,
        allow_unicode=True,
        width=110,
    )
    path.write_text(f"{_COMMENTS}{content}", encoding="utf-8")
    return path


_COMMENTS = """\
# The exports of this shop, written by 'cip adopt'. Edit it as you need: a further 'cip adopt' keeps what you edit.
#
# databases  what is fetched into files first, from where, and the cursor: a column that grows with each change. The
#            password stands in an environment variable: postgresql://shop:${SHOP_DB_PASSWORD}@host/database
# files    paths or patterns, absolute or below this folder
# layouts  for the files with one header: the column of each field, the order of year, month and day in dates, the
#          decimal sign, and what a record is: the first rule whose SQL is true. record['X'] is the text of column X
"""


OURS = ("landing", "lake", "final", FILE)
"""What the platform itself writes into the data folder."""


def _files(paths: Iterable[Path], data_dir: Path) -> list[Path]:
    """The files below some paths, without hidden ones and without those that the platform writes.

    Raises:
        PlatformError: a path does not exist, or there is no file.

    """
    ours = [data_dir.resolve() / name for name in OURS]
    found: list[Path] = []
    for path in (path.resolve() for path in paths):
        if not path.exists():
            raise PlatformError(f"{path} does not exist; name a file or a folder with exports")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [
            file
            for file in inside
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path).parts)
            and not any(file.is_relative_to(own) for own in ours)
        ]
    if not found:
        raise PlatformError(
            f"{', '.join(map(str, paths))} has no files (landing, lake and final of the data folder do not count); "
            "name a file or a folder with exports"
        )
    return found


def _patterns(files: Sequence[Path], data_dir: Path) -> tuple[str, ...]:
    """The files, relative to the data folder if they are below it."""
    base = data_dir.resolve()
    inside = (file.relative_to(base) if file.is_relative_to(base) else file for file in files)
    return tuple(dict.fromkeys((not file.is_absolute() and pattern_of(file)) or str(file) for file in inside))


def _with_order(database: Database, layouts: Sequence[Layout], data_dir: Path) -> Database:
    """The database with the column of its orders, if a layout says which one that is."""
    columns = types_in(database, data_dir)
    orders = [layout.fields["order_id"][0] for layout in layouts if set(layout.header) == set(columns)]
    return database.model_copy(update={"order": orders[0]}) if orders and database.order is None else database


def _zone(database: Database, data_dir: Path) -> Sequence[Finding]:
    """The zone in which times of a database are written, if it has any that need one."""
    types = types_in(database, data_dir)
    columns = tuple(name for name, kind in types.items() if kind and kind.startswith("timestamptz"))
    is_chosen = "time_zone" in database.model_fields_set
    why = f"times are written in {database.time_zone}{'' if is_chosen else '; --time-zone names the zone of the shop'}"
    return [Finding("time_zone", columns, "chosen" if is_chosen else "asked", why)] if columns else []


def _sample(found: Sequence[tuple[Member, Dialect, Path]]) -> Iterable[Mapping[str, str]]:
    """Records from the beginning and the end of each file, by column, without blank values.

    The end matters because the first days of a month do not tell the day from the month.
    """
    each = SAMPLE // len(found) // 2 + 1
    for member, dialect, _ in found:
        first = last = None
        for batch in read(member, dialect):
            first, last = first or batch, batch
        if first is None or last is None:
            continue
        parts = [first.slice(0, each)]
        if last is not first or first.num_rows > each:
            parts.append(last.slice(max(0 if last is not first else each, last.num_rows - each)))
        for record in (record for part in parts for record in part.to_pylist()):
            if record["problem"] in TAKEN:
                yield {name: record[name].strip() for name in dialect.columns if (record[name] or "").strip()}
