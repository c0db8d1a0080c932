"""Source tables: the contract in ``cleaned`` is declared. Those in ``raw`` and ``quarantine`` follow from it, and so
does that of the history of a table of full deliveries.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pyspark.sql.types as T
from pyspark.sql import Column, DataFrame, WindowSpec

from cip_assets.contracts.contract import Contract, DeclarationError, TableContract, column
from cip_assets.contracts.types import Delivered, Event

OverLines = Callable[[DataFrame, WindowSpec | None], DataFrame]


@dataclass(frozen=True)
class SourceTable:
    """A source table and its contracts. Only a table of full deliveries has a ``history``.

    ``columns`` are those that every landing file has. A file may also have the ones in ``defaults``, which otherwise
    have the value given there. A table that was never delivered has no rows.

    ``event_date`` is the column that dates an event; a table without one comes as full deliveries. ``derived`` are the
    columns that are computed instead of delivered. Their values and the defaults are functions, because not every
    engine can build an expression before its session exists. ``over_lines`` are columns that the older lines of an id
    decide, too: each function adds its column to lines, given the window of the lines of an id, or None if every line
    is alone.
    """

    name: str
    columns: tuple[str, ...]
    raw: TableContract
    quarantine: TableContract
    cleaned: TableContract
    event_date: str | None = None
    derived: Mapping[str, Callable[[], Column]] = field(default_factory=dict)
    defaults: Mapping[str, Callable[[], Column]] = field(default_factory=dict)
    over_lines: Mapping[str, OverLines] = field(default_factory=dict)
    history: TableContract | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The columns that a landing file can have."""
        return (*self.columns, *self.defaults)

    @property
    def id_column(self) -> str:
        return self.cleaned.key[0]

    @property
    def module(self) -> ModuleType:
        """The module that declares the table."""
        return sys.modules[self.cleaned.model.__module__]

    @property
    def is_event(self) -> bool:
        return self.event_date is not None


def source(
    model: type[Contract],
    *,
    event_date: str | None = None,
    derived: Mapping[str, Callable[[], Column]] | None = None,
    defaults: Mapping[str, Callable[[], Column]] | None = None,
    over_lines: Mapping[str, OverLines] | None = None,
) -> SourceTable:
    """Declare a source table. Its name is that of the file with its class.

    Args:
        model: the contract of the cleaned rows. Landing files have its columns, except the derived ones.
        event_date: the column that dates an event; None for full deliveries.
        derived: columns that are computed from other columns of the row. An expression may also use ``has_<column>``,
            which is true if the file has a text there, even an unreadable one.
        defaults: columns that a file may lack, or leave empty, and what they then contain.
        over_lines: columns that are computed from all good lines with the row's id, of its month.

    Raises:
        DeclarationError: an event has no such column, the key is not exactly one column, or a derived column, or a
            column with a default, is not in the contract.

    """
    *_, layer, name = model.__module__.split(".")
    made, given, over = derived or {}, defaults or {}, over_lines or {}
    landed = tuple(column_name for column_name in model.__annotations__ if column_name not in {*made, *over})
    columns = tuple(column_name for column_name in landed if column_name not in given)
    for keyword, named in (("derived", made), ("defaults", given), ("over_lines", over)):
        if unknown := sorted(named.keys() - model.__annotations__.keys()):
            raise DeclarationError(
                f"{layer}/{name}: {keyword}= names {unknown[0]!r}, but {model.__name__} has no such column"
            )
    if issubclass(model, Event) != (event_date is not None) or (event_date and event_date not in columns):
        raise DeclarationError(
            f"{layer}/{name}: an Event needs event_date=, the column that dates it; any other table must not have it"
        )
    shown = model.to_schema().columns
    base: type[Contract] = Event if issubclass(model, Event) else Delivered
    text: dict[str, tuple[Any, Any]] = {
        column_name: (
            T.StringType,
            column(
                # What follows a semicolon is true only of the cleaned value.
                f"{shown[column_name].description.partition(';')[0]} (text as landed)",
                pii=bool((shown[column_name].metadata or {}).get("pii")),
            ),
        )
        for column_name in landed
    }
    raw = TableContract.of(_raw(name, base, model, text), "raw", name)
    quarantine = TableContract.of(_quarantine(name, base, model, text, raw), "quarantine", name, [raw])
    cleaned = TableContract.of(model, layer, name, [raw])
    if len(cleaned.key) != 1:
        raise DeclarationError(f"{cleaned.name}: the key of a source table must be one column, its id")
    history = None
    if base is Delivered:
        past = _history(name, model, columns)
        history = TableContract.of(past, layer, f"{name}_history", [cleaned])
    return SourceTable(name, columns, raw, quarantine, cleaned, event_date, made, given, over, history)


def _raw(
    name: str, base: type[Contract], model: type[Contract], text: dict[str, tuple[Any, Any]]
) -> type[Contract]:
    """The contract in ``raw``."""
    extras = {
        "ragged_text": (
            T.StringType,
            column("The complete line, if it has too few or too many fields", pii=True),
        ),
        "field_count": (T.IntegerType, column("Number of fields in that line", unit="fields")),
        "header_field_count": (
            T.IntegerType,
            column("Number of fields in the header of its file", unit="fields"),
        ),
    }
    if base is Event:
        extras["source_seen"] = (
            T.StringType,
            column(
                "When a scan first found the file (UTC), then the latest event date in it; empty if the path has dt=, "
                "or for a table's first files"
            ),
        )
    return _derived(
        f"Raw{model.__name__}",
        f"Each line of the landing files of {name}, as text.",
        base,
        text | extras,
        grain="one row per line of a landing file",
        domain=_domain(model),
    )


def _quarantine(
    name: str,
    base: type[Contract],
    model: type[Contract],
    text: dict[str, tuple[Any, Any]],
    raw: TableContract,
) -> type[Contract]:
    """The contract in ``quarantine``."""
    # A line is judged by all its values and by later deliveries, but not by the hash of its file.
    judged_by = [column_name for column_name in raw.columns if column_name != "source_version"]
    reasons = {
        "outcome": (
            T.StringType,
            column(
                "Quarantined (broke a rule) or superseded (replaced by a newer line with the same id)",
                *judged_by,
                required=True,
                isin=["quarantined", "superseded"],
            ),
        ),
        "reasons": (
            T.StringType,
            column("All reasons, as column:problem, separated by '; '", *judged_by, required=True),
        ),
        "raw_text": (
            T.StringType,
            column("The line as landed", *text, "ragged_text", required=True, pii=True),
        ),
    }
    return _derived(
        f"Quarantine{model.__name__}",
        f"Lines of {name} that are not in cleaned/{name}, because they break a rule or were superseded.",
        base,
        text | reasons,
        grain="one row per quarantined or superseded line",
        domain=_domain(model),
    )


def _history(name: str, model: type[Contract], columns: Sequence[str]) -> type[Contract]:
    """The contract of what the rows of a table of full deliveries were, and when."""
    (key,) = model.promise()["key"]
    shown = model.to_schema().columns
    kept: dict[str, tuple[Any, Any]] = {
        column_name: (
            model.__annotations__[column_name],
            column(
                shown[column_name].description,
                required=not shown[column_name].nullable,
                unit=(shown[column_name].metadata or {}).get("unit"),
                pii=bool((shown[column_name].metadata or {}).get("pii")),
            ),
        )
        for column_name in columns
    }
    kept |= {
        "valid_from": (
            T.DateType,
            column(
                "First day of the row: that of the delivery with which it began; 1900-01-01 if its files have no dt=",
                "delivery_date",
                required=True,
            ),
        ),
        "valid_to": (
            T.DateType,
            column(
                "First day on which the row was no longer so: that of the first delivery with other values, or without "
                f"the {key}; empty if it is current",
                "delivery_date",
            ),
        ),
        "is_current": (
            T.BooleanType,
            column("True if the newest delivery has the row", "delivery_date", required=True),
        ),
    }
    return _derived(
        f"{model.__name__}History",
        f"What the rows of cleaned/{name} were on each day, according to the full deliveries: the state of day D is "
        "the rows with valid_from <= D and (valid_to > D, or no valid_to).",
        Contract,
        kept,
        grain=f"one row per {key} and period without a change",
        domain=_domain(model),
        key=[key, "valid_from"],
        row_rules={
            "valid_to:not_after_valid_from": "valid_to <= valid_from",
            "is_current:contradicts_valid_to": "is_current <> (valid_to IS NULL)",
        },
    )


def _derived(
    name: str, doc: str, base: type[Contract], columns: dict[str, tuple[Any, Any]], **promise: Any
) -> type[Contract]:
    namespace: dict[str, Any] = {
        "__doc__": doc,
        "__module__": __name__,
        "__annotations__": {column_name: annotation for column_name, (annotation, _) in columns.items()},
    }
    namespace |= {column_name: declared for column_name, (_, declared) in columns.items()}
    promise.setdefault("key", ["source_file", "source_line"])
    return type(name, (base,), namespace, **promise)


def _domain(model: type[Contract]) -> str:
    return str(model.promise()["domain"])
