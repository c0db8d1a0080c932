"""Takes customers out of the ledgers, out of what destinations were told, and out of the files of audiences."""

import csv
from collections.abc import Collection
from io import StringIO
from pathlib import Path, PurePosixPath

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cip_assets.audiences.ledger import LAYER
from cip_assets.audiences.marks import Mark, lines_of, text_of
from cip_assets.config.errors import PlatformError
from cip_assets.config.settings import Settings
from cip_assets.contracts.contract import AS_OF
from cip_assets.storage import place
from cip_assets.storage.append import data_files, write_again
from cip_assets.storage.files import replace_text

ID = "customer_id"


def traces(settings: Settings, ids: Collection[str]) -> list[Path]:
    """The ledgers, marks and files with some customers, as they are on a disk."""
    files = [*settings.final.glob("audiences/*.csv")]
    return sorted(
        [
            *(ledger for ledger in _ledgers(settings) if _has(settings.table_uri(LAYER, ledger.name), ids)),
            *(path for path in _marks(settings) if any({*ids} & {*named} for _, _, named in lines_of(path))),
            *(path for path in files if any(row[0] in ids for row in _rows(path))),
        ]
    )


def check_all_left(settings: Settings, ids: Collection[str]) -> None:
    """Check that no destination may still have some customers.

    Raises:
        PlatformError: one may have them, and nobody could tell it to forget them once the marks are gone.

    """
    for path in _marks(settings):
        last = {each: mark for _, mark, named in lines_of(path) for each in named if each in ids}
        if there := sorted(each for each, mark in last.items() if mark != Mark.OUT):
            raise PlatformError(
                f"audience {path.parent.name}: {', '.join(there)} may be at the destination {path.stem}: name them in "
                f"its 'exclude' in audiences.yaml, run 'cip audience send {path.parent.name}', and erase again"
            )


def take_out(settings: Settings, ids: Collection[str]) -> None:
    """Write everything that has some customers again without them. Ledgers lose their older versions."""
    for found in traces(settings, ids):
        if found.parent == settings.lake / LAYER:
            uri = settings.table_uri(LAYER, found.name)
            write_again(uri, AS_OF, lambda rows: rows.filter(pc.invert(_is_one_of(rows[ID], ids))))
        elif found.suffix == ".csv":
            text = StringIO()
            csv.writer(text, lineterminator="\n").writerows(row for row in _rows(found) if row[0] not in ids)
            replace_text(found, text.getvalue())
        else:
            lines = [
                text_of(number, mark, {each: sent for each, sent in named.items() if each not in ids})
                for number, mark, named in lines_of(found)
            ]
            replace_text(found, "".join(lines))
        if found.is_file():
            place.publish(settings, found)


def _ledgers(settings: Settings) -> list[Path]:
    names = place.of(f"{settings.lake_address}/{LAYER}").below()
    tables = {PurePosixPath(name).parts[0] for name in names if "/_delta_log/" in name}
    return [settings.lake / LAYER / table for table in sorted(tables)]


def _marks(settings: Settings) -> list[Path]:
    return sorted(settings.data_dir.glob("delivered/*/*.jsonl"))


def _has(uri: str, ids: Collection[str]) -> bool:
    files = place.of(uri).as_arrow()
    return any(
        pc.any(_is_one_of(pq.ParquetFile(name, filesystem=files).read([ID])[ID], ids)).as_py()
        for name in data_files(uri)
    )


def _is_one_of(column: pa.ChunkedArray, ids: Collection[str]) -> pa.ChunkedArray:
    return pc.is_in(column, value_set=pa.array(sorted(ids)))


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return [*csv.reader(stream)]
