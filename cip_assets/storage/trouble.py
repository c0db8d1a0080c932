"""What is wrong with the disk, the bucket or the tables after something failed, and what a person can do about it.

Nothing of this is looked at before something fails, except for the files of a snapshot that would not be computed.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from cip_assets.config.settings import Settings
from cip_assets.layers import contracts_in
from cip_assets.storage import place
from cip_assets.storage.delta import COMMIT, log_of, table_name

CHECKPOINT = re.compile(r"^[0-9]{20}[.]checkpoint.*[.]parquet$")
"""The name of a checkpoint's file in the log of a table."""

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


NO_ACCESS = (
    "the credentials do not give access to {address}: correct the AWS_ variables, or the rights of their user"
)
IN_A_BUCKET: Mapping[str, str] = {
    "NoSuchBucket": "{address} is in a bucket that does not exist: create it, or correct CIP_DATA_DIR",
    "169.254.169.254": "there are no credentials for {address}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": NO_ACCESS,
    "SignatureDoesNotMatch": NO_ACCESS,
    "AccessDenied": NO_ACCESS,
    "403 Forbidden": NO_ACCESS,
    "HTTP error: error sending request": (
        "{address} does not answer: check the network and AWS_ENDPOINT_URL, and run the command again; what was "
        "finished is not lost"
    ),
}
"""The same for a data folder in a bucket."""


def trouble(message: str, settings: Settings) -> str | None:
    """What an error that is not the platform's own means, in one line; None if it is not about the disk or the bucket.

    Args:
        message: the messages of the error and of its causes.
        settings: the data folder.

    """
    for sign, meaning in {**(IN_A_BUCKET if settings.bucket else {}), **SIGNS}.items():
        if sign in message:
            return meaning.format(folder=settings.data_dir, address=settings.address)
    return next(damaged_tables(settings), None)


def damaged_tables(settings: Settings) -> Iterator[str]:
    """One line for each damaged table of the data folder."""
    for uri in sorted(settings.table_uri(contract.layer, contract.table) for contract in contracts_in()):
        if damage := damage_of(uri):
            yield (
                f"{table_name(uri)} is damaged: {damage}; move {uri} away and run 'cip run', which computes the table "
                "again"
            )


def damage_of(uri: str, day: date | None = None) -> str | None:
    """What is missing or cut off in a table; of one snapshot day, if it is given."""
    log = {file.name for file in place.of(uri).files("_delta_log")}
    if not any(COMMIT.match(name) for name in log):
        return None
    return _damage_of_log(uri, log) or next(_damaged_files(uri, day), None)


def _damage_of_log(uri: str, names: Collection[str]) -> str | None:
    log = f"{uri}/_delta_log"
    if missing := _missing_commit(names):
        return f"{log}/{missing} is missing"
    try:
        for _ in log_of(uri):
            pass
        DeltaTable(uri)
    except ValueError:
        return f"a commit in {log} is cut off"
    except DeltaError:
        return f"{log} cannot be read"
    return None


def _damaged_files(uri: str, day: date | None) -> Iterator[str]:
    for action in pa.table(DeltaTable(uri).get_add_actions(flatten=True)).to_pylist():
        if day is not None and str(action.get("partition.as_of_date", day)) != str(day):
            continue
        file = place.of(uri).file(action["path"])
        if file is None:
            yield f"{uri}/{action['path']} is missing"
        elif file.size != action["size_bytes"]:
            yield f"{uri}/{action['path']} does not have the size that it was written with"


def _missing_commit(names: Collection[str]) -> str | None:
    """The first commit that a reader needs and does not find. It needs all of them since the newest checkpoint."""
    versions = {int(name[:20]) for name in names if COMMIT.match(name)}
    first = max((int(name[:20]) for name in names if CHECKPOINT.match(name)), default=-1) + 1
    missing = set(range(first, max(versions) + 1)) - versions
    return f"{min(missing):020}.json" if missing else None
