"""The SQL of a CSV file for one day of its mart: months as text, personal data as the rules allow, no formulas."""

from collections.abc import Mapping

import duckdb

from cip_assets.config.rules import Rules
from cip_assets.contracts.csv_file import CsvFile, Spread
from cip_assets.contracts.text_formats import EMAIL

SIGNS = "=+@\uff1d\uff0b\uff0d\uff20-"
"""A spreadsheet treats a cell that begins with one of these as a formula, also with the full-width ones."""

AS_TEXT_CELL = (
    f"CASE WHEN regexp_matches({{0}}, '[\\t\\r\\n{SIGNS}]') THEN regexp_replace("
    f"regexp_replace({{0}}, '(^|[;\\t\\r\\n])(''*[{SIGNS}])', '\\1''\\2', 'g'), "
    "'^(''*[\\t\\r\\n])', '''\\1') ELSE {0} END AS {0}"
)
"""A text with an apostrophe before everything that a spreadsheet would treat as a formula: at its beginning, and after
a semicolon or a line break, because a cell begins there in countries that separate by semicolons. If there are
apostrophes already, one more is added, so that different texts stay different. The first match is for speed, because
few texts contain such a sign."""


def query(file: CsvFile, connection: duckdb.DuckDBPyConnection, rules: Rules) -> str:
    """The SQL of a file's rows according to the rules.

    Args:
        file: the declaration of the file.
        connection: a connection with the view ``mart``, which holds one snapshot day.
        rules: the sections ``personal_data`` and ``exports`` are used.

    """
    shown = rules.personal_data.model_dump()
    chosen = [_column(file, name, shown) for name in file.columns]
    text = f"SELECT {', '.join(chosen)} FROM mart"
    if file.spread:
        chosen += _spread(file.spread, connection)
        text = f"SELECT {', '.join(chosen)} FROM mart GROUP BY {', '.join(file.columns)}"
    if not rules.exports.neutralize_formulas:
        return text
    described = connection.execute(f"DESCRIBE {text}").fetchall()
    cells = [
        AS_TEXT_CELL.format(f'"{name}"') if kind == "VARCHAR" else f'"{name}"' for name, kind, *_ in described
    ]
    return f"SELECT {', '.join(cells)} FROM ({text})"


def _column(file: CsvFile, name: str, shown: Mapping[str, str]) -> str:
    if name in file.months:
        return f"strftime({name}, '%Y-%m') AS {name}"
    return as_far_as_allowed(name, shown[name]) if file.mart.is_pii(name) else name


def _spread(spread: Spread, connection: duckdb.DuckDBPyConnection) -> list[str]:
    """One column for each value from 0 to the largest one."""
    (last,) = connection.execute(f"SELECT max({spread.by}) FROM mart").fetchone() or (None,)
    return [
        f"max(CASE WHEN {spread.by} = {k} THEN {spread.value} END) AS {spread.prefix}{k}"
        for k in range(0 if last is None else last + 1)
    ]


def as_far_as_allowed(name: str, shown: str) -> str:
    """The SQL of a column that identifies a person."""
    if shown == "shown":
        return name
    if shown == "hidden":
        return f"NULL AS {name}"
    if name != "email":
        return f"regexp_replace({name}, '(?s)^(.).*', '\\1***') AS {name}"
    # If the text is not exactly one plain address (two addresses, a name before an address), it is not known which part
    # is which, so nothing is kept.
    plain = EMAIL.replace("'", "''")
    kept = f"regexp_replace({name}, '^(.)[^@]*', '\\1***')"
    return (
        f"CASE WHEN regexp_matches({name}, '{plain}') THEN {kept} WHEN {name} <> '' THEN '***' END AS {name}"
    )
