"""Looks at the exports of a shop and proposes ``sources.yaml``."""

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from itertools import permutations
from pathlib import Path

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import FIRST_SEEN
from cip_assets.sources.config import (
    FILE,
    QUERIES,
    SCHEMA,
    DateOrder,
    Export,
    Layout,
    Sources,
    files_of,
    load_sources,
)
from cip_assets.sources.convert import Summary, look_at
from cip_assets.sources.databases.database import FOLDER, Database, pattern_of, with_known
from cip_assets.sources.databases.fetch import fetch, types_in
from cip_assets.sources.findings import Finding
from cip_assets.sources.joined import Table, join
from cip_assets.sources.presets import layout_for, presets
from cip_assets.sources.reading.dialect import Dialect, detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member, members, skipped
from cip_assets.sources.reading.records import read
from cip_assets.sources.recognize import (
    ALL,
    QUESTION,
    Proposal,
    column_for,
    known,
    missing,
    propose,
    propose_sessions,
)
from cip_assets.sources.rewrite import rewritten, written

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


@dataclass(frozen=True)
class Answers:
    """What a person says: whether the day or the month comes first, and the shop's time zone, if times are UTC."""

    date_order: DateOrder | None = None
    time_zone: str | None = None
    currency: str | None = None


@dataclass
class _Found:
    """What is proposed so far."""

    exports: list[Export] = field(default_factory=list)
    findings: dict[str, Sequence[Finding]] = field(default_factory=dict)
    stops: list[str] = field(default_factory=list)
    left_aside: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    currency: str | None = None


@dataclass(frozen=True)
class _Group:
    """Files with one header."""

    files: Sequence[tuple[Member, Dialect, Path]]

    @property
    def header(self) -> Sequence[str]:
        return self.files[0][1].columns

    @property
    def names(self) -> str:
        more = f" and {len(self.files) - SHOWN} more" if len(self.files) > SHOWN else ""
        return ", ".join(member.name for member, *_ in self.files[:SHOWN]) + more

    @property
    def paths(self) -> set[Path]:
        return {path for *_, path in self.files}

    def has_key(self, column: str) -> bool:
        """Whether each record of a file has a value of its own in a column."""
        name = next(name for name in self.header if name.lower() == column.lower())
        found = ([row.get(name) for row in _sample([file])] for file in self.files)
        return all(None not in values and len(set(values)) == len(values) for values in found)

    @property
    def is_beside(self) -> bool:
        """Whether all names say that the files are others than those of orders."""
        return all(OTHER.search(member.name) for member, *_ in self.files)

    @cached_property
    def rows(self) -> list[Mapping[str, str]]:
        return list(_sample(self.files))


def adopt(
    paths: Sequence[Path], data_dir: Path, answers: Answers = Answers(), databases: Sequence[Database] = ()
) -> Adopted:
    """Look at exports, and propose how they are read. What ``sources.yaml`` has already is kept, and added to.

    Args:
        paths: files and folders.
        data_dir: the data folder.
        answers: what a person says to what the contents leave open.
        databases: what to fetch and look at, too.

    Raises:
        PlatformError: there is nothing to read; a file cannot be read; no file holds order lines; or something would
            give a wrong number.

    """
    before = load_sources(data_dir)
    known_ones = before.databases if before else ()
    fetch(databases := with_known(databases, known_ones), data_dir)
    paths = [*paths, *(data_dir / FOLDER / database.name for database in databases)]
    groups, left_aside = _groups(_files(paths, data_dir))
    found = _Found(exports=list(before.exports) if before else [], left_aside=left_aside)
    groups = _take_kept(found, groups, data_dir)
    groups = _take_presets(found, groups, data_dir, answers)
    _take_others(found, groups, data_dir, answers)
    found.findings |= {database.what: zone for database in databases if (zone := _zone(database, data_dir))}
    if not found.findings and found.refused:
        raise PlatformError("; ".join(found.refused))
    if not found.findings:
        raise PlatformError(f"no file holds order lines; {NEEDS}: {'; '.join(found.left_aside)}")
    if found.stops:
        raise PlatformError(found.stops[0])
    now = {database.name: _with_order(database, found.exports, data_dir) for database in databases}
    draft = Sources(
        first_month=date(1900, 1, 1),
        currency=answers.currency or (before.currency if before else None) or found.currency,
        rates=before.rates if before else None,
        exports=tuple(found.exports),
        databases=(
            *(database if database not in databases else now[database.name] for database in known_ones),
            *(now[database.name] for database in databases if database not in known_ones),
        ),
        kafka=before.kafka if before else None,
    )
    summary = look_at(draft, data_dir)
    _refuse_unread(summary)
    if summary.reconciled < summary.checked:
        open_ones = summary.checked - summary.reconciled
        why = (
            f"the lines of {open_ones:,} orders do not add up to their totals; they count as their lines say"
        )
        found.findings["totals"] = [Finding("charged", (), "asked", why, tuple(summary.unreconciled))]
    firsts = (summary.first_day, summary.first_ticket_day, summary.first_session_day)
    begin = min(filter(None, firsts)).replace(day=1)
    return Adopted(
        draft.model_copy(update={"first_month": begin}),
        summary,
        found.findings,
        [*found.refused, *found.left_aside],
    )


def _take_kept(found: _Found, groups: Sequence[_Group], data_dir: Path) -> list[_Group]:
    """Add files whose header a layout has already; returns the other groups."""
    others = []
    for group in groups:
        header = frozenset(group.header)
        for place, export in enumerate(found.exports):
            if header in {frozenset(layout.header) for layout in export.layouts}:
                new = _patterns(sorted(group.paths - set(files_of(export, data_dir))), data_dir)
                found.exports[place] = export.model_copy(update={"files": (*export.files, *new)})
                found.findings[group.names] = [Finding(ALL, (), "chosen", f"read as {FILE} says")]
                break
        else:
            others.append(group)
    return others


def _take_presets(found: _Found, groups: Sequence[_Group], data_dir: Path, answers: Answers) -> list[_Group]:
    """Add an export for each preset whose files are there; returns the other groups."""
    rest = list(groups)
    for name, preset in presets().items():
        is_adopted = name in {export.preset for export in found.exports}
        match = preset.match([group.header for group in rest], is_adopted=is_adopted)
        if match is None or not all(
            rest[place].has_key(key) for place, number in match.items() if (key := preset.layouts[number].key)
        ):
            continue
        mine = [rest[place] for place in match]
        if preset.refused:
            found.refused += [f"{group.names}: {' '.join(preset.refused.split())}" for group in mine]
        else:
            if any(DOLLARS.fullmatch(text) for group in mine for row in group.rows for text in row.values()):
                found.currency = found.currency or preset.currency
            layouts = []
            for place, number in match.items():
                group = rest[place]
                proposal = known(name, preset.layouts[number], group.header, group.rows, answers.date_order)
                layouts.append(proposal.layout)
                found.findings[group.names] = proposal.findings
                found.stops += [f"{group.names}: {stop}" for stop in proposal.stops]
            there = {layout.name for layout in layouts}
            layouts += [
                layout_for(name, own, (*own.has, *own.may_lack), own.date_order or "ymd", ".")
                for own in preset.layouts
                if not is_adopted and own.name not in there
            ]
            asks = [Finding(QUESTION, (), "asked", f"{ask.about}: {ask.default}") for ask in preset.asks]
            found.findings |= {name: asks} if asks else {}
            _add(found, name, mine, layouts, data_dir, answers)
        rest = [group for group in rest if group not in mine]
    return rest


DOLLARS = re.compile(r"[-(]*\$[-\d.,]+\)?")
"""An amount with the sign of several currencies."""


def _take_others(found: _Found, groups: Sequence[_Group], data_dir: Path, answers: Answers) -> None:
    """Add an export of the files that no preset knows, by their contents; files without orders are left aside."""
    layouts: list[Layout] = []
    mine: list[_Group] = []
    groups = _take_joined(found, layouts, mine, groups, answers)
    for group in sorted(groups, key=_has_products, reverse=True):
        taken = _taken(found, layouts)
        about = (group.header, group.rows, answers.date_order, _record_name(group, taken))
        proposal = propose_sessions(*about) or propose(*about)
        if proposal is None:
            found.left_aside.append(f"{group.names}: no order lines: {missing(group.header, group.rows)}")
        elif proposal.layout.table == "sessions":
            _take(found, layouts, mine, group, proposal)
        elif (len(groups) > 1 or found.findings) and group.is_beside:
            found.left_aside.append(
                f"{group.names}: by its name no order lines; adopt it alone if it has them"
            )
        elif other := next((other for other in mine if _is_of_same_orders(group, other)), None):
            found.left_aside.append(
                f"{group.names}: it has the orders of {other.names} in another form, so they would count twice; adopt "
                "the other one alone if that has less"
            )
        else:
            _take(found, layouts, mine, group, proposal)
    for group in groups:
        if group not in mine and any(
            group.paths & other.paths for other in mine
        ):  # a sheet of the same workbook
            name = _record_name(group, _taken(found, layouts))
            layouts.append(Layout(name=name, header=tuple(group.header)))
    if mine:
        _add(found, None, mine, layouts, data_dir, answers)


def _take(
    found: _Found, layouts: list[Layout], mine: list[_Group], group: _Group, proposal: Proposal
) -> None:
    layouts.append(proposal.layout)
    mine.append(group)
    found.findings[group.names] = proposal.findings
    found.stops += [f"{group.names}: {stop}" for stop in proposal.stops]


def _take_joined(
    found: _Found, layouts: list[Layout], mine: list[_Group], groups: Sequence[_Group], answers: Answers
) -> Sequence[_Group]:
    """Add files of lines with the files of their orders, joined; returns the other groups."""
    named = [group for group in groups if not group.is_beside]
    for orders, lines in permutations(named, 2):
        if orders in mine or lines in mine:
            continue
        taken = _taken(found, layouts)
        of_orders = Table(_record_name(orders, taken), orders.header, orders.rows)
        of_lines = Table(_record_name(lines, {*taken, of_orders.name}), lines.header, lines.rows)
        joined = join(of_orders, of_lines)
        if joined is None:
            continue
        proposal = propose(joined.header, joined.rows, answers.date_order, of_lines.name)
        if proposal is None or proposal.layout.records:
            continue
        layouts += [
            Layout(name=of_orders.name, header=tuple(orders.header)),
            proposal.layout.model_copy(update={"header": tuple(lines.header), "records": joined.query}),
        ]
        mine += [orders, lines]
        found.findings[orders.names] = [
            Finding(ALL, (), "asked", f"{lines.names} has its lines, {joined.why}")
        ]
        found.findings[lines.names] = proposal.findings
        found.stops += [f"{lines.names}: {stop}" for stop in proposal.stops]
    return [group for group in groups if group not in mine]


def _has_products(group: _Group) -> bool:
    return bool(column_for("product_id", group.header, group.rows))


SAME_ORDERS = 0.5
"""The share of a file's orders that another file has, too, if it has them in another form."""


def _is_of_same_orders(group: _Group, other: _Group) -> bool:
    """Whether files without products have orders that others have with products."""
    ids, others = (
        {row.get(column_for("order_id", each.header, each.rows) or "") for row in each.rows}
        for each in (group, other)
    )
    is_same = len(ids & others) > SAME_ORDERS * len(ids)
    return is_same and not _has_products(group)


def _taken(found: _Found, layouts: Sequence[Layout]) -> set[str]:
    """The names in SQL of the records that no preset knows."""
    before = [layout for export in found.exports if export.preset is None for layout in export.layouts]
    return {layout.name for layout in (*before, *layouts)}


def _record_name(group: _Group, taken: Collection[str]) -> str:
    """The name of a group's records in SQL: that of its first file, and a number if another layout has it."""
    stem = (
        re.sub(r"\W+", "_", Path(group.files[0][0].name).stem.split(".")[0]).strip("_").lower() or "records"
    )
    names = (stem, *(f"{stem}_{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _add(
    found: _Found,
    preset: str | None,
    groups: Sequence[_Group],
    layouts: Sequence[Layout],
    data_dir: Path,
    answers: Answers,
) -> None:
    """Add files and their layouts to the export of the preset; files that no preset knows are one export."""
    files = _patterns(sorted({path for group in groups for path in group.paths}), data_dir)
    is_fetched = any(file.startswith(f"{FOLDER}/") for file in files)  # those times are written in the zone
    zone = None if is_fetched else answers.time_zone
    zoned = tuple(layout.model_copy(update={"time_zone": zone}) for layout in layouts)
    for place, export in enumerate(found.exports):
        if export.preset == preset:
            both = tuple(dict.fromkeys([*export.files, *files]))
            found.exports[place] = export.model_copy(
                update={"files": both, "layouts": (*export.layouts, *zoned)}
            )
            return
    found.exports.append(Export(preset=preset, files=files, layouts=zoned))


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
        PlatformError: there are no records, no sales, tickets or sessions, or too many records without an order, a day,
            a quantity or an amount.

    """
    if not summary.records:
        raise PlatformError("the files have headers and no records; export a period with orders")
    count = {kind.kind: kind.records for kind in summary.kinds}
    unread = count.get("unreadable", 0) + count.get("broken", 0)
    if not (summary.orders or summary.tickets or summary.sessions) or unread > max(
        FEW_UNREAD, UNREAD_SHARE * summary.records
    ):
        raise PlatformError(
            f"{unread} of {summary.records} records have no order, day, quantity or amount that can be read, and "
            f"{count.get('sale', 0)} are sales: {'; '.join(summary.unread) or 'see the table'}; deliver the export in "
            "another form, or write the layout yourself (docs/sources.md)"
        )


def _groups(files: Sequence[Path]) -> tuple[list[_Group], list[str]]:
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
    return [_Group(found) for found in by_header.values()], left_aside


def write(adopted: Adopted, data_dir: Path) -> Path:
    """Write ``sources.yaml`` into the data folder, its schema, and the SQL that it names, unless that is there.

    What a person wrote into the file stays, also the comments.

    Raises:
        PlatformError: the file there is wrong.

    """
    schema = data_dir / SCHEMA
    schema.parent.mkdir(parents=True, exist_ok=True)
    schema.write_text(f"{json.dumps(Sources.model_json_schema(), indent=2)}\n", encoding="utf-8")
    for layout in (layout for export in adopted.sources.exports for layout in export.layouts):
        if layout.records and not (sql := data_dir / layout.records.name).exists():
            sql.write_text(layout.records.sql, encoding="utf-8")
    path = data_dir / FILE
    before = load_sources(data_dir)
    text = (
        rewritten(path.read_text(encoding="utf-8"), before, adopted.sources)
        if before
        else f"{_COMMENTS}{written(adopted.sources)}"
    )
    path.write_text(text, encoding="utf-8")
    return path


_COMMENTS = f"""\
# yaml-language-server: $schema={SCHEMA}
#
# The exports of this shop, written by 'cip adopt'. Edit it as you need: a further 'cip adopt' keeps what you edit, and
# your comments.
#
# databases what is fetched into files first, from where, and the cursor: a column that grows with each change. The
#           password stands in an environment variable: postgresql://shop:${{SHOP_DB_PASSWORD}}@host/database
# currency  of the figures; rates names a CSV file (day,currency,rate) if the exports have others
# files     paths or patterns, absolute or below this folder
# layouts   for the files with one header: the column of each field, the order of year, month and day in dates, the
#           decimal sign, and what a record is: the first rule whose SQL is true. record['X'] is the text of column X.
#           records names a file with SQL that makes the records from the files' texts
"""


OURS = ("landing", "lake", "final", QUERIES, FILE, FIRST_SEEN)
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


def _with_order(database: Database, exports: Sequence[Export], data_dir: Path) -> Database:
    """The database with the column of its orders, if a layout says which one that is."""
    columns = types_in(database, data_dir)
    orders = [
        layout.fields["order_id"][0]
        for export in exports
        for layout in export.layouts
        if set(layout.header) == set(columns) and "order_id" in layout.fields
    ]
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
