"""Conflicting ids: ids with several different lines in one delivery. It is not known which line is right.

An export with one line for each item of an order has such ids, and only the last item of each order would count. They
are found in the superseded lines, which are few. DuckDB reads them, whatever engine wrote the tables.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import duckdb

from cip_assets.config.settings import Settings
from cip_assets.contracts.source import SourceTable
from cip_assets.contracts.text_formats import BLANKS
from cip_assets.storage import delta
from cip_assets.storage.delta import Slice
from cip_assets.storage.views import view

SHOWN = 5
"""The number of places in a message, and of lines per place."""

NO_TEXT = {"source_file", "source_version", "source_line", "source_seen", "delivery_date", "month"} | {
    "ragged_text",
    "field_count",
    "header_field_count",
}
"""Columns of raw that do not come from a file."""


@dataclass(frozen=True)
class Conflicts:
    """The number of conflicting ids, and some of their places.

    ``in_one_file`` counts ids with different lines in one file. ``across_files`` counts ids whose different lines are
    only in different files of one delivery. For each month with conflicts in one file, ``by_month`` has the number of
    these conflicting ids and of all ids, so that good months cannot hide a bad one. A place is ``file:line, line`` and
    contains no values.
    """

    in_one_file: int = 0
    across_files: int = 0
    by_month: Sequence[tuple[int, int]] = ()
    places: Sequence[str] = ()

    def exceeds(self, share: float) -> bool:
        """Whether more than a share of the ids of any month are in conflict.

        A single id is never too many, because in a small table it would exceed any limit.
        """
        return any(conflicts > max(1, share * ids) for conflicts, ids in self.by_month)


def conflicting_ids(settings: Settings, source: SourceTable, only: Slice | None) -> Conflicts:
    """Find conflicting ids among the superseded lines of all months, or of those in a slice.

    If the winning line was delivered later, or is in another file without a delivery date, then the id was corrected
    and is not in conflict.

    Raises:
        PlatformError: a table has not been written yet.

    """
    with (
        tempfile.TemporaryDirectory() as scratch,
        duckdb.connect(config={"memory_limit": "1GB", "temp_directory": scratch}) as connection,
    ):
        for layer in ("raw", "cleaned", "quarantine"):
            view(connection, layer, delta.dataset(settings.table_uri(layer, source.name)))
        covered = f"({only.predicate})" if only else "true"
        month = "month" if source.is_event else "NULL"
        connection.execute(
            _PAIRS.format(id=source.id_column, month=month, covered=covered, shared=_shared(source)), [BLANKS]
        )
        if not _count(connection, "SELECT count(*) FROM pairs"):
            return Conflicts()
        names = [row[0] for row in connection.execute("DESCRIBE raw").fetchall() if row[0] not in NO_TEXT]
        text = ", ".join(f"coalesce(trim(\"{name}\", $1), '')" for name in names)
        connection.execute(_CONFLICTS.format(text=f"concat_ws(chr(31), {text})"), [BLANKS])
        in_one_file = _count(connection, "SELECT count(DISTINCT id) FROM conflicts WHERE file = kept_file")
        every = _count(connection, "SELECT count(DISTINCT id) FROM conflicts")
        by_month = connection.execute(_BY_MONTH.format(month=month)).fetchall()
        return Conflicts(in_one_file, every - in_one_file, by_month, _places(connection))


_PAIRS = """
CREATE TEMP TABLE pairs AS
  WITH beaten AS (
    SELECT trim({id}, $1) AS id, {month} AS month, source_file AS file, source_line AS line,
      delivery_date AS delivered
    FROM quarantine WHERE outcome = 'superseded' AND {covered})
  SELECT beaten.id, beaten.month, file, line, source_file AS kept_file, source_line AS kept_line
  FROM beaten JOIN cleaned ON cleaned.{id} = beaten.id
  WHERE source_file = file OR (delivery_date IS NOT DISTINCT FROM delivered AND {shared})
"""
"""Superseded lines, each with its winning line, if both are in one delivery. The winner may be in another month."""

_CONFLICTS = """
CREATE TEMP TABLE conflicts AS
  WITH wanted AS (SELECT file, line FROM pairs UNION SELECT kept_file, kept_line FROM pairs),
  texts AS MATERIALIZED (
    SELECT wanted.file, wanted.line, {text} AS text
    FROM raw JOIN wanted ON source_file = wanted.file AND source_line = wanted.line)
  SELECT id, month, pairs.file, pairs.line, kept_file, kept_line
  FROM pairs JOIN texts AS lost ON lost.file = pairs.file AND lost.line = pairs.line
    JOIN texts AS won ON won.file = kept_file AND won.line = kept_line
  WHERE lost.text <> won.text
"""

_BY_MONTH = """
WITH ids AS (SELECT {month} AS month, count(*) AS ids FROM cleaned GROUP BY ALL)
SELECT count(DISTINCT id), coalesce(max(ids), 0)
FROM conflicts LEFT JOIN ids ON ids.month IS NOT DISTINCT FROM conflicts.month
WHERE file = kept_file GROUP BY conflicts.month
"""

_LINES = """
WITH lines AS (
  SELECT id, file, line FROM conflicts UNION SELECT id, kept_file, kept_line FROM conflicts),
by_file AS (
  SELECT id, file, min(line) AS first, list(line ORDER BY line)[1:$1 + 1] AS lines FROM lines GROUP BY id, file)
SELECT list({'file': file, 'lines': lines} ORDER BY file) FROM by_file
GROUP BY id ORDER BY min(file), min(first) LIMIT $1
"""


def _shared(source: SourceTable) -> str:
    """SQL for whether two files with the same delivery date are one delivery.

    Files of a full delivery always are. Event files without a ``dt=`` folder only share the date of their last event.
    """
    if not source.is_event:
        return "true"
    return " AND ".join(f"regexp_matches({file}, '(^|/)dt=[^/]+/')" for file in ("file", "source_file"))


def _places(connection: duckdb.DuckDBPyConnection) -> Sequence[str]:
    def place(file: str, lines: Sequence[int]) -> str:
        more = ", ..." if len(lines) > SHOWN else ""
        return f"{file}:{', '.join(map(str, lines[:SHOWN]))}{more}"

    found = connection.execute(_LINES, [SHOWN]).fetchall()
    return tuple(" and ".join(place(each["file"], each["lines"]) for each in files) for (files,) in found)


def _count(connection: duckdb.DuckDBPyConnection, query: str) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
