"""Finds the lines of customers in landing files, and takes them out."""

import csv
import gzip
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.text_formats import BLANKS
from cip_assets.ingest import csv_records
from cip_assets.ingest.csv_lines import UnreadableFileError, line_ends, open_bytes, unchanged
from cip_assets.ingest.discover import LandedFile, find_files
from cip_assets.ingest.first_seen import forget, replacing
from cip_assets.sources.landing import FOLDER as FROM_EXPORTS
from cip_assets.storage import place
from cip_assets.storage.files import hash_file

ID = "customer_id"


@dataclass(frozen=True)
class Found:
    """The lines of some customers in a landing file; ``lines`` are the numbers of their first and next line."""

    file: LandedFile
    lines: Sequence[tuple[int, int | None]]

    @property
    def is_from_exports(self) -> bool:
        """Whether the file is made from exports, and would be made again with these lines."""
        return FROM_EXPORTS in Path(self.file.path).parts


def find_customers(landing: Path, ids: Collection[str]) -> list[Found]:
    """The landing files with lines of these customers.

    Raises:
        PlatformError: a file cannot be read, so nobody knows whether it has such lines.

    """
    found = []
    for file in find_files(landing)[0]:
        problem = file.problem
        if not problem:
            try:
                with unchanged(landing / file.path):
                    lines = list(_lines_of(landing / file.path, ids))
            except UnreadableFileError as error:
                problem = str(error)
        if problem:
            raise PlatformError(f"{file.table}: {file.path}: {problem}")
        if lines:
            found.append(Found(file, lines))
    return found


def _lines_of(path: Path, ids: Collection[str]) -> Iterator[tuple[int, int | None]]:
    header = csv_records.read_header(path)
    if ID not in header.names:
        return
    begun: int | None = None
    for block in csv_records.read_records(path, header.names, [ID]):
        whole = zip(block.lines.tolist(), block.columns.column(ID).to_pylist(), strict=True)
        ours = {line for line, value in whole if value.strip(BLANKS) in ids}
        ours |= {ragged.line for ragged in block.ragged if _names(ragged.text, ids)}
        for line in sorted([*block.lines.tolist(), *(ragged.line for ragged in block.ragged)]):
            if begun:
                yield begun, line
            begun = line if line in ours else None
    if begun:
        yield begun, None


def _names(text: str, ids: Collection[str]) -> bool:
    """Whether a line with too few or too many fields has the id of one of the customers in any field."""
    return any(field.strip(BLANKS) in ids for record in csv.reader([text]) for field in record)


def take_out(settings: Settings, found: Found) -> None:
    """Write a landing file again without the lines that were found; the bytes of all others stay.

    The record of when files were first seen gets the new content, because the file was not delivered again.
    """
    named, record = settings.landing / found.file.path, settings.first_seen
    path = named.resolve()
    with open_bytes(path) as stream:
        content = stream.read()
    _, before = hash_file(path)
    starts = np.concatenate(([0], line_ends(content + b"\n") + 1))
    kept, end = [], 0
    for first, after in found.lines:
        kept.append(content[end : starts[first - 1]])
        end = len(content) if after is None else starts[after - 1]
    scratch = path.with_name(f".{path.name}.new")
    with _opened(scratch, is_packed=path.suffix.lower() == ".gz") as stream:
        stream.writelines([*kept, content[end:]])
    # Both contents are known in between, because this process can end at any line.
    replacing(record, found.file.table, before, hash_file(scratch)[1])
    place.publish(settings, record, is_only_here=True)
    scratch.replace(path)
    place.publish(settings, named)
    forget(record, found.file.table, before)
    place.publish(settings, record, is_only_here=True)


def _opened(path: Path, *, is_packed: bool) -> Any:
    return gzip.open(path, "wb") if is_packed else path.open("wb")
