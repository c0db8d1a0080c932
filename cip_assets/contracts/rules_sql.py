"""pandera's checks as SQL, so that one query counts all broken rules, on any engine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from pandera.api.pyspark.components import Column


@dataclass(frozen=True)
class ColumnRule:
    """One rule of a contract, as an SQL expression that is true for a row that breaks the rule."""

    name: str
    broken_when: str


def _literal(value: object) -> str:
    """A value in SQL. Quotes are escaped with backslashes, because Sail reads a doubled quote as two texts."""
    if isinstance(value, date):
        return f"DATE '{value}'"
    if not isinstance(value, str):
        return str(value)
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


_SQL_OF_CHECK: Mapping[str, tuple[str, Callable[[str, Mapping[str, Any]], str]]] = {
    "greater_than_or_equal_to": ("below_minimum", lambda c, s: f"{c} < {_literal(s['min_value'])}"),
    "less_than_or_equal_to": ("above_maximum", lambda c, s: f"{c} > {_literal(s['max_value'])}"),
    "isin": (
        "not_allowed",
        lambda c, s: f"{c} NOT IN ({', '.join(_literal(v) for v in s['allowed_values'])})",
    ),
    # Anchored at the start of the text, as in pandera.
    "str_matches": (
        "wrong_format",
        lambda c, s: f"NOT {c} RLIKE {_literal('^' + s['pattern'].removeprefix('^'))}",
    ),
}


def column_rules(name: str, declared: Column) -> list[ColumnRule]:
    """The checks of one pandera column as SQL, named ``column:problem``.

    Raises:
        KeyError: a pandera check has no SQL form here; add it to ``_SQL_OF_CHECK``.

    """
    rules = [] if declared.nullable else [ColumnRule(f"{name}:missing", f"{name} IS NULL")]
    for check in declared.checks:
        problem, to_sql = _SQL_OF_CHECK[check.name]
        rules.append(ColumnRule(f"{name}:{problem}", to_sql(name, check.statistics)))
    return rules
