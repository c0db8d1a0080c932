"""What is wrong with the disk, or with the tables on it, after something failed, and what a person can do about it.

Nothing of this is looked at before something fails, except for the files of a snapshot that would not be computed.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cip_assets.config.settings import Settings
from cip_assets.storage.delta import COMMIT, log_of, table_name

FULL = "the disk with {folder} is full: free space on it and run the command again; what was finished is not lost"
FAILING = (
    "the disk with {folder} is full or failing, or this user is over a limit: make room on it or raise the limit, and "
    "run the command again; what was finished is not lost"
)
READ_ONLY = "{folder} is read-only: make it writable, or set CIP_DATA_DIR to another folder, and run the command again"
FORBIDDEN = (
    "this user may not write to all of {folder}: give the right to do so, or set CIP_DATA_DIR to another folder, and "
    "run the command again"
)
NO_HISTORY = (
    "Dagster's history in {folder}/.dagster is damaged: move that folder away and run 'cip run', which begins a new "
    "one and checks the tables again"
)
SIGNS: Mapping[str, str] = {
    "No space left on device": FULL,
    "os error 28": FULL,
    "database or disk is full": FULL,
    "Read-only file system": READ_ONLY,
    "os error 30": READ_ONLY,
    "attempt to write a readonly database": READ_ONLY,
    "Permission denied": FORBIDDEN,
    "os error 13": FORBIDDEN,
    "unable to open database file": FORBIDDEN,
    "File too large": FAILING,
    "os error 27": FAILING,
    "Disk quota exceeded": FAILING,
    "os error 122": FAILING,
    "disk I/O error": FAILING,
    "database disk image is malformed": NO_HISTORY,
    "file is not a database": NO_HISTORY,
}
"""What an error contains, whichever library raised it, and what it means."""


def trouble(message: str, settings: Settings) -> str | None:
    """What an error that is not the platform's own means, in one line; None if it is not about the disk.

    Args:
        message: the messages of the error and of its causes.
        settings: the data folder.

    """
    for sign, meaning in SIGNS.items():
        if sign in message:
            return meaning.format(folder=settings.data_dir)
    return next(damaged_tables(settings), None)


def damaged_tables(settings: Settings) -> Iterator[str]:
    """One line for each damaged table of the data folder."""
    for folder in sorted(settings.data_dir.glob("lake/*/*")):
        if damage := damage_of(str(folder)):
            yield (
                f"{table_name(str(folder))} is damaged: {damage}; move {folder} away and run 'cip run', which computes "
                "the table again"
            )


def damage_of(uri: str, day: date | None = None) -> str | None:
    """What is missing or cut off in a table on a local disk; of one snapshot day, if it is given."""
    log = Path(uri, "_delta_log")
    if "://" in uri or not any(COMMIT.match(path.name) for path in log.glob("*.json")):
        return None
    return _damage_of_log(log) or next(_damaged_files(uri, day), None)


def _damage_of_log(log: Path) -> str | None:
    if missing := _missing_commit(log):
        return f"{missing} is missing"
    try:
        for _ in log_of(str(log.parent)):
            pass
        DeltaTable(str(log.parent))
    except ValueError:
        return f"a commit in {log} is cut off"
    except DeltaError:
        return f"{log} cannot be read"
    return None


def _damaged_files(uri: str, day: date | None) -> Iterator[str]:
    for file in pa.table(DeltaTable(uri).get_add_actions(flatten=True)).to_pylist():
        if day is not None and str(file.get("partition.as_of_date", day)) != str(day):
            continue
        path = Path(uri, file["path"])
        if not path.is_file():
            yield f"{path} is missing"
        elif path.stat().st_size != file["size_bytes"]:
            yield f"{path} does not have the size that it was written with"


def _missing_commit(log: Path) -> Path | None:
    """The first commit that a reader needs and does not find. It needs all of them since the newest checkpoint."""
    versions = {int(path.stem) for path in log.iterdir() if COMMIT.match(path.name)}
    checkpoints = [int(path.name[:20]) for path in log.glob("[0-9]*.checkpoint*.parquet")]
    first = max(checkpoints, default=-1) + 1
    missing = set(range(first, max(versions) + 1)) - versions
    return log / f"{min(missing):020}.json" if missing else None
