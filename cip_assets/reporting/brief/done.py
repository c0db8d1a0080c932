"""What was done to the lake in the days before a snapshot was computed, and since, and who did it: from Delta's log."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF, TableContract
from cip_assets.layers import SOURCE_TABLES, contracts_in
from cip_assets.storage import delta
from cip_assets.storage.delta import Commit
from cip_assets.storage.written import covers

NOBODY = "unknown"
"""Who wrote a commit that does not say it: an older version of the platform, or another program."""

TIDIED = {"OPTIMIZE", "VACUUM START", "VACUUM END"}

INGESTED, COMPUTED, RESTORED = "ingested", "computed", "restored"
NEW_CODE, MAINTAINED, BY_HAND = "new code or rules of", "maintained", "written past the platform:"
KINDS = (NEW_CODE, INGESTED, COMPUTED, RESTORED, BY_HAND, MAINTAINED)


@dataclass(frozen=True)
class Done:
    """What somebody did on a day.

    Attributes:
        day: the day.
        by: the command, sensor, schedule or backfill, and the user.
        what: what was done.

    """

    day: date
    by: str
    what: str


def done(settings: Settings, day: date, before: timedelta) -> Sequence[Done]:
    """What was done since some time before the snapshot of a day was computed, in order; nothing if the log no longer
    says when that was.

    Args:
        settings: the data folder.
        day: the snapshot day.
        before: how long before.

    """
    written = delta.commits(settings.table_uri("marts", "insights"))
    computed = next((c for c in written if covers(str(c.audit.get("partition") or ""), str(day))), None)
    if computed is None:
        return []
    acts: dict[tuple[date, str], dict[str, dict[str, None]]] = defaultdict(lambda: defaultdict(dict))
    for contract in contracts_in():
        for commit, is_new in _since(settings, contract, computed.timestamp - before):
            by = str(commit.audit.get("by") or NOBODY)
            for kind, what in _of(contract, commit, is_new=is_new):
                acts[commit.timestamp.date(), by][kind][what] = None
    return [Done(*who, _said(kinds)) for who, kinds in sorted(acts.items())]


def _since(settings: Settings, contract: TableContract, since: datetime) -> Iterator[tuple[Commit, bool]]:
    """The commits of a table since a time, the newest first, and whether each was the first by its code."""
    later: Commit | None = None
    for commit in delta.commits(settings.table_uri(contract.layer, contract.table)):
        if later:
            code, older = (each.audit.get("code_version") for each in (later, commit))
            yield later, None not in (code, older) and code != older
        later = commit if commit.timestamp >= since else None
        if not later:
            return
    if later:
        yield later, False


def _of(contract: TableContract, commit: Commit, *, is_new: bool) -> Iterator[tuple[str, str]]:
    """What a commit did: its kind, and to what. Raw, quarantined and added up rows go with the cleaned ones."""
    partition = str(commit.audit.get("partition") or "")
    if is_new:
        yield NEW_CODE, contract.name
    if commit.restored is not None:
        yield RESTORED, f"{contract.name} to version {commit.restored}"
    elif commit.operation in TIDIED:
        yield MAINTAINED, contract.name
    elif "asset" in commit.audit:
        if contract.layer == "cleaned" and contract.table in SOURCE_TABLES:
            months = partition.replace("-01...", " to ").removesuffix("-01")
            yield INGESTED, f"{contract.table} {months}".strip()
        elif contract.partition_column == AS_OF:
            yield COMPUTED, partition.replace("...", " to ")
    elif commit.row_count:
        yield BY_HAND, contract.name


def _said(kinds: dict[str, dict[str, None]]) -> str:
    """What was done in one line; of many tables, their number."""
    return "; ".join(f"{kind} {_named([*kinds[kind]])}" for kind in KINDS if kind in kinds)


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= len(SOURCE_TABLES) else f"{names[0]} and {len(names) - 1} more"
