"""Reads the quarantine: line counts by reason, lines as they landed, and the months that have quarantined lines."""

from collections.abc import Iterator, Sequence

import pyarrow.compute as pc

from cip_assets.config.settings import Settings
from cip_assets.layers import SOURCE_TABLES
from cip_assets.storage import delta, questions
from cip_assets.storage.written import WHOLE


def tables_of_quarantine(settings: Settings, tables: Sequence[str]) -> Iterator[tuple[str, str, str, int]]:
    """Line counts of the quarantine: table, outcome, reasons, lines."""
    for table in tables:
        uri = settings.table_uri("quarantine", table)
        if not delta.exists(uri):
            continue
        with questions.connection() as connection:
            connection.register("lines", delta.dataset(uri))
            rows = connection.execute(
                "SELECT outcome, reasons, count(*) FROM lines GROUP BY ALL ORDER BY 1, 3 DESC, 2"
            ).fetchall()
        for outcome, reasons, count in rows:
            yield table, outcome, reasons, count


def quarantined_lines(settings: Settings, tables: Sequence[str]) -> dict[str, int]:
    """The number of quarantined lines of each table, without superseded lines."""
    counts = dict.fromkeys(tables, 0)
    for table, outcome, _, count in tables_of_quarantine(settings, tables):
        if outcome == "quarantined":
            counts[table] += count
    return counts


def months_with_quarantined_lines(settings: Settings, table: str) -> list[str]:
    """The first days of the months with quarantined lines; ``WHOLE`` for a table of full deliveries."""
    if not quarantined_lines(settings, [table])[table]:
        return []
    if not SOURCE_TABLES[table].is_event:
        return [WHOLE]
    lines = delta.dataset(settings.table_uri("quarantine", table))
    months = lines.to_table(columns=["month"], filter=pc.field("outcome") == "quarantined")["month"]
    return sorted(str(month) for month in set(months.to_pylist()))


def lines_of(settings: Settings, table: str, limit: int) -> list[tuple[str, str, str]]:
    """The first quarantined lines of a table: place, reasons, text.

    The place is the file and the line, and the offset if the line was a record of a topic.
    """
    with questions.connection() as connection:
        raw = delta.dataset(settings.table_uri("raw", table))
        connection.register("quarantined", delta.dataset(settings.table_uri("quarantine", table)))
        connection.register("landed", raw)
        place, rows = "source_file || ':' || source_line", "shown"
        if "stream_offset" in raw.schema.names:
            place = f"{place} || coalesce(' (offset ' || stream_offset || ')', '')"
            rows = "shown LEFT JOIN landed USING (source_file, source_line)"
        return connection.execute(
            f"""
            WITH shown AS (
              SELECT source_file, source_line, reasons, raw_text FROM quarantined WHERE outcome = 'quarantined'
              ORDER BY 1, 2 LIMIT ?)
            SELECT {place}, reasons, raw_text FROM {rows} ORDER BY source_file, source_line
            """,
            [limit],
        ).fetchall()
