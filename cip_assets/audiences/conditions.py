"""The condition of an audience: SQL over columns of the contracts, and nothing else."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

import duckdb
import sqlglot
from sqlglot import exp

from cip_assets.audiences.columns import CUSTOMERS, OF_CUSTOMERS, Condition
from cip_assets.config.errors import PlatformError
from cip_assets.contracts.contract import AS_OF
from cip_assets.storage import questions

ALLOWED = (
    *(exp.And, exp.Or, exp.Not, exp.Paren, exp.Boolean, exp.Null, exp.Literal),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.Between, exp.In, exp.Is, exp.Like, exp.ILike),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Neg, exp.Abs, exp.Coalesce, exp.Lower, exp.Upper, exp.Length),
    *(exp.Column, exp.Identifier, exp.Cast, exp.DataType, exp.DataTypeParam, exp.Interval, exp.Var),
)
"""What a condition may consist of: it reads no clock and no file, and asks no other query."""

ANY: Mapping[str, str] = {
    "string": "'a'",
    "integer": "1",
    "long": "1",
    "decimal": "1",
    "boolean": "true",
    "date": "'2000-01-01'",
}
"""A value of each type."""


def compiled(text: str, where: str) -> Condition:
    """Compile a condition against the contracts.

    Args:
        text: SQL such as ``churn_band = 'High' AND list_at_risk.rank <= 20``. A column without a table is one of
            customer_360.
        where: the place of the condition, for messages.

    Raises:
        PlatformError: it is not a condition, or names a column, a table or a value that does not exist.

    """
    try:
        tree = sqlglot.parse_one(text, dialect="duckdb")
    except sqlglot.errors.SqlglotError as error:
        first = str(error).splitlines()[0]
        raise PlatformError(f"{where}: cannot be read: {first}") from error
    for node in tree.walk():
        if not isinstance(node, ALLOWED):
            raise PlatformError(
                f"{where}: {node.sql(dialect='duckdb')[:80]!r} cannot be part of a condition; use columns, values, "
                "comparisons, IN, BETWEEN, LIKE, IS NULL, AND, OR, NOT, arithmetic, coalesce, lower, upper and length"
            )
    columns = [_resolved(column, where) for column in tree.find_all(exp.Column)]
    _check_values(tree, where)
    condition = Condition(tree.sql(dialect="duckdb"), sorted(set(columns)))
    _check_types(tree, condition, where)
    return condition


def known_column(name: str, where: str, table: str = CUSTOMERS) -> str:
    """The name, if the table has this column.

    Raises:
        PlatformError: it has not. The message names the nearest one.

    """
    columns = [column for column in OF_CUSTOMERS[table].columns if column != AS_OF]
    if name not in columns:
        raise PlatformError(f"{where}: {table} has no column {name!r}{_nearest(name, columns)}")
    return name


def _resolved(column: exp.Column, where: str) -> tuple[str, str]:
    """The table and the column that a condition names; the column gets its table."""
    table = column.table or CUSTOMERS
    if table not in OF_CUSTOMERS:
        raise PlatformError(
            f"{where}: {table!r} is not a table with one row per customer{_nearest(table, OF_CUSTOMERS)}"
        )
    name = AS_OF if column.name == AS_OF else known_column(column.name, where, table)
    column.set("table", exp.to_identifier(table, quoted=True))
    column.set("this", exp.to_identifier(name, quoted=True))
    return table, name


def _check_values(tree: exp.Expr, where: str) -> None:
    """Refuse a text that its column never has."""
    for node in tree.find_all(exp.EQ, exp.NEQ, exp.In):
        column = node.this
        if not isinstance(column, exp.Column):
            continue
        checks = (OF_CUSTOMERS[column.table].columns[column.name].metadata or {}).get("checks") or {}
        allowed = [value for value in checks.get("isin") or () if isinstance(value, str)]
        for value in _texts(node):
            if allowed and value not in allowed:
                raise PlatformError(
                    f"{where}: {column.name} is never {value!r}{_nearest(value, allowed)}; it is one of "
                    f"{', '.join(allowed)}"
                )


def _texts(node: exp.Expr) -> Iterator[str]:
    compared = node.expressions if isinstance(node, exp.In) else [node.expression]
    yield from (value.name for value in compared if isinstance(value, exp.Literal) and value.is_string)


def _check_types(tree: exp.Expr, condition: Condition, where: str) -> None:
    """Let DuckDB compare what the condition compares, on tables of one row."""
    with questions.connection() as connection:
        for table in condition.tables:
            fields = ", ".join(
                f"CAST({ANY[field.dataType.typeName()]} AS {field.dataType.simpleString()}) AS {field.name}"
                for field in OF_CUSTOMERS[table].spark_schema
            )
            connection.execute(f'CREATE TEMP TABLE "{table}" AS SELECT {fields}')
        compared = [node.sql(dialect="duckdb") for node in tree.find_all(exp.Predicate)]
        tables = ", ".join(f'"{table}"' for table in condition.tables)
        try:
            row = connection.sql(f"SELECT {', '.join([condition.sql, *compared])} FROM {tables}")
            kind = str(row.types[0])
            row.fetchall()
        except duckdb.Error as error:
            raise PlatformError(f"{where}: {str(error).splitlines()[0]}") from error
    if kind != "BOOLEAN":
        raise PlatformError(f"{where}: {condition.sql!r} is not a condition that holds or does not")


def _nearest(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    near = get_close_matches(name, list(names), 1, 0.5)
    return f"; did you mean {near[0]!r}?" if near else ""
