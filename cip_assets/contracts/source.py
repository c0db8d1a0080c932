"""Tables that land: a contract of cleaned rows, from which those of ``raw`` and ``quarantine`` follow."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pyspark.sql.types as T
from pyspark.sql import Column

from cip_assets.contracts.contract import Contract, DeclarationError, TableContract, column
from cip_assets.contracts.types import Delivered, Event


@dataclass(frozen=True)
class SourceTable:
    """A table that lands, and its three contracts.

    ``event_date`` names the source column that dates a row; the tables without one are full snapshots. ``derived`` are
    the columns that no file brings, as functions: not every engine makes an expression before its session is there.
    """

    name: str
    columns: tuple[str, ...]
    raw: TableContract
    quarantine: TableContract
    cleaned: TableContract
    event_date: str | None = None
    derived: Mapping[str, Callable[[], Column]] = field(default_factory=dict)

    @property
    def id_column(self) -> str:
        return self.cleaned.key[0]

    @property
    def module(self) -> ModuleType:
        """The module that declares it."""
        return sys.modules[self.cleaned.model.__module__]

    @property
    def is_event(self) -> bool:
        return self.event_date is not None


def source(
    model: type[Contract],
    *,
    event_date: str | None = None,
    derived: Mapping[str, Callable[[], Column]] | None = None,
) -> SourceTable:
    """Declare a table that lands, of the name of the file that its class stands in.

    Args:
        model: the contract of the cleaned rows. Landing files bring its columns, but for the derived ones.
        event_date: the column that dates an event; none for full snapshots.
        derived: columns that are computed from a row's others. An expression may also use ``has_<column>``, which says
            whether a file has a text there, though it may not be read.

    Raises:
        DeclarationError: an event has no such column, or the key is not one column, or a derived column is not in the
            contract.

    """
    *_, layer, name = model.__module__.split(".")
    made = derived or {}
    columns = tuple(column_name for column_name in model.__annotations__ if column_name not in made)
    unknown = sorted(made.keys() - model.__annotations__.keys())
    if unknown:
        raise DeclarationError(
            f"{layer}/{name}: derived names {unknown[0]!r}, which is not a column of {model.__name__}"
        )
    if issubclass(model, Event) != (event_date is not None) or (event_date and event_date not in columns):
        raise DeclarationError(
            f"{layer}/{name}: an Event needs event_date=, the name of the column that dates it, and nothing else does"
        )
    shown = model.to_schema().columns
    base: type[Contract] = Event if issubclass(model, Event) else Delivered
    text: dict[str, tuple[Any, Any]] = {
        column_name: (
            T.StringType,
            column(
                f"{shown[column_name].description} (text as landed)",
                pii=bool((shown[column_name].metadata or {}).get("pii")),
            ),
        )
        for column_name in columns
    }
    raw = TableContract.of(_raw(name, base, model, text), "raw", name)
    quarantine = TableContract.of(_quarantine(name, base, model, text, raw), "quarantine", name, [raw])
    cleaned = TableContract.of(model, layer, name, [raw])
    if len(cleaned.key) != 1:
        raise DeclarationError(f"{cleaned.name}: the key of a table that lands is one column, its id")
    return SourceTable(name, columns, raw, quarantine, cleaned, event_date, made)


def _raw(
    name: str, base: type[Contract], model: type[Contract], text: dict[str, tuple[Any, Any]]
) -> type[Contract]:
    """Text as landed."""
    extras = {
        "ragged_text": (
            T.StringType,
            column("The whole line, where it has too few or too many fields", pii=True),
        ),
        "field_count": (T.IntegerType, column("Fields of that line", unit="fields")),
        "header_field_count": (T.IntegerType, column("Fields of its file's header", unit="fields")),
    }
    return _derived(
        f"Raw{model.__name__}",
        f"{name} as landed: every line once, as text.",
        base,
        text | extras,
        grain="one row per line of the landing files",
        domain=_domain(model),
    )


def _quarantine(
    name: str,
    base: type[Contract],
    model: type[Contract],
    text: dict[str, tuple[Any, Any]],
    raw: TableContract,
) -> type[Contract]:
    """Text as landed, with the reasons why it is here."""
    # A line is judged by all of it, and by what was delivered later; its file's hash has no say.
    judged_by = [column_name for column_name in raw.columns if column_name != "source_version"]
    reasons = {
        "outcome": (
            T.StringType,
            column("Why it is here", *judged_by, required=True, isin=["quarantined", "superseded"]),
        ),
        "reasons": (
            T.StringType,
            column("Every reason, as column:problem, separated by '; '", *judged_by, required=True),
        ),
        "raw_text": (
            T.StringType,
            column("The line as landed", *text, "ragged_text", required=True, pii=True),
        ),
    }
    return _derived(
        f"Quarantine{model.__name__}",
        f"Lines of {name} that did not enter cleaned/{name}: broken, or superseded by a newer one.",
        base,
        text | reasons,
        grain="one row per line kept out",
        domain=_domain(model),
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
    key: Sequence[str] = ["source_file", "source_line"]
    return type(name, (base,), namespace, key=key, **promise)


def _domain(model: type[Contract]) -> str:
    return str(model.promise()["domain"])
