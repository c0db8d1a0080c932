"""Looks at the exports of a shop and proposes ``sources.yaml``."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

from cip_assets.config.errors import PlatformError
from cip_assets.sources.config import FILE, DateOrder, Export, Layout, Sources, load_sources
from cip_assets.sources.convert import Summary, look_at
from cip_assets.sources.reading.dialect import Dialect, detect
from cip_assets.sources.reading.errors import UnreadableExport
from cip_assets.sources.reading.members import Member, members, skipped
from cip_assets.sources.reading.records import read
from cip_assets.sources.recognize import Finding, Proposal, propose

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


def adopt(paths: Sequence[Path], data_dir: Path, date_order: DateOrder | None = None) -> Adopted:
    """Look at exports, and propose how they are read. What a person has edited before is kept.

    Args:
        paths: files and folders.
        data_dir: the data folder.
        date_order: the answer to whether the day or the month comes first, if dates allow both.

    Raises:
        PlatformError: there is nothing to read; a file cannot be read; no file holds order lines; or a question can be
            answered only by a person.

    """
    files = _files(paths)
    before = load_sources(data_dir)
    earlier = [layout for export in before.exports for layout in export.layouts] if before else []
    kept = {frozenset(layout.header): layout for layout in earlier}
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
    layouts: list[Layout] = []
    findings: dict[str, Sequence[Finding]] = {}
    used: set[Path] = set()
    stops: list[str] = []
    for found in by_header.values():
        header = found[0][1].columns
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        names = ", ".join(member.name for member, *_ in found[:SHOWN]) + more
        if layout := kept.get(frozenset(header)):
            proposal: Proposal | None = Proposal(layout, [Finding("all", (), "chosen", f"as {FILE} says")])
        else:
            proposal = propose(header, list(_sample(found)), date_order)
        if proposal is None:
            left_aside.append(f"{names}: no order lines (an order id, a date and an amount are needed)")
            continue
        layouts.append(proposal.layout)
        findings[names] = proposal.findings
        stops += [f"{names}: {stop}" for stop in proposal.stops]
        used |= {path for *_, path in found}
    if not layouts:
        raise PlatformError(
            f"no file holds order lines (an order id, a date and an amount are needed): {'; '.join(left_aside)}"
        )
    if stops:
        raise PlatformError(stops[0])
    draft = Sources(
        first_month=date(1900, 1, 1),
        exports=(Export(files=_patterns(sorted(used), data_dir), layouts=tuple(layouts)),),
    )
    summary = look_at(draft, data_dir)
    first = (summary.first_day or date(1970, 1, 1)).replace(day=1)
    return Adopted(draft.model_copy(update={"first_month": first}), summary, findings, left_aside)


def write(adopted: Adopted, data_dir: Path) -> Path:
    """Write ``sources.yaml`` into the data folder, with comments."""
    data_dir.mkdir(parents=True, exist_ok=True)
    path = data_dir / FILE
    content = yaml.safe_dump(
        adopted.sources.model_dump(mode="json", by_alias=True), sort_keys=False, allow_unicode=True, width=110
    )
    path.write_text(f"{_COMMENTS}{content}", encoding="utf-8")
    return path


_COMMENTS = """\
# The exports of this shop, written by 'cip adopt'. Edit it as you need: a further 'cip adopt' keeps what you edit.
#
# files    paths or patterns, absolute or below this folder
# layouts  for the files with one header: the column of each field, the order of year, month and day in dates, the
#          decimal sign, and what a record is: the first rule whose SQL is true. record['X'] is the text of column X
"""


def _files(paths: Iterable[Path]) -> list[Path]:
    """The files below some paths, without hidden ones.

    Raises:
        PlatformError: a path does not exist, or there is no file.

    """
    found: list[Path] = []
    for path in paths:
        if not path.exists():
            raise PlatformError(f"{path} does not exist; name a file or a folder with exports")
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        found += [
            file.absolute()
            for file in inside
            if file.is_file()
            and not any(part.startswith(".") for part in file.relative_to(path.parent).parts)
        ]
    if not found:
        raise PlatformError(
            f"{', '.join(map(str, paths))} has no files; name a file or a folder with exports"
        )
    return found


def _patterns(files: Sequence[Path], data_dir: Path) -> tuple[str, ...]:
    """The files, relative to the data folder if they are below it."""
    base = data_dir.absolute()
    return tuple(str(file.relative_to(base) if file.is_relative_to(base) else file) for file in files)


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
