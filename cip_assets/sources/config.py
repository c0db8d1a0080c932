"""``sources.yaml`` in the data folder: which exports of a shop there are, and what their columns mean.

`cip adopt` writes it, and a person may edit it.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from cip_assets.config.errors import PlatformError
from cip_assets.sources.databases.database import Database

FILE = "sources.yaml"

Target = Literal["orders", "customers", "tickets"]
"""What the records of a layout are: order lines, customers or support tickets."""

FieldName = Literal[
    "order_id",
    "customer_id",
    "product_id",
    "product_name",
    "category",
    "quantity",
    "unit_price",
    "line_total",
    "discount",
    "discount_percent",
    "refunded",
    "date",
    "payment_method",
    "currency",
    "updated_at",
    "document_id",
    "order_discount",
    "order_refunded",
    "refund_date",
    "subtotal",
    "shipping",
    "tax",
    "charged",
    "email",
    "first_name",
    "last_name",
    "region",
    "ticket_id",
    "ticket_category",
    "priority",
    "status",
    "resolved",
]
"""What a column can be. ``discount`` and ``refunded`` are amounts of the line: what is taken off it, and what was given
back for it; ``discount_percent`` is taken off it, too, in percent. ``order_discount``, ``order_refunded``,
``subtotal`` (goods after discounts), ``shipping``, ``tax`` and ``charged`` (what the buyer paid in all) are amounts
of the order, on its first record or on each. An ``order_refunded`` that is no number, such as ``unknown``, says that
the order was refunded, but not how much. ``refund_date`` is the day of the last refund; without it, returns have the
day of the order. ``document_id`` is what a newer file has again as a whole, if that is not the order: a payment, or a
settlement.
"""

NEEDED_FIELDS: Mapping[Target, Sequence[FieldName]] = {
    "orders": ("order_id", "date"),
    "customers": ("customer_id",),
    "tickets": ("ticket_id", "customer_id", "date"),
}
"""The fields that each record must have."""

KindName = Literal[
    "sale",
    "return",
    "discount",
    "shipping",
    "fee",
    "tax",
    "adjustment",
    "gift_card",
    "summary",
    "test",
    "cancelled",
    "awaiting_payment",
    "failed",
    "zero_price",
    "stock_correction",
    "unlinked_credit",
    "other_channel",
    "merged",
    "deleted",
    "unidentified",
]
"""What a record can be. Sales and returns are counted, everything else is left out, each record with its kind."""

DateOrder = Literal["ymd", "mdy", "dmy", "unix", "excel"]
"""The order of year, month and day; or numbers: the seconds or milliseconds since 1970 in UTC, or the days of Excel."""

QUERIES = "sources"
"""The folder beside ``sources.yaml`` with the SQL of layouts."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


Columns = Annotated[tuple[str, ...], BeforeValidator(_several)]
"""One column, or several: the first that has a text in the record counts."""


class Strict(BaseModel):
    # Errors do not show what was given, because it may be a password.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Kind(Strict):
    """A rule for what a record is: SQL that is true for it."""

    kind: KindName = Field(alias="is")
    when: str


class Query(Strict):
    """SQL that makes records from the texts of an export's files. ``name`` is its file, below the data folder."""

    name: str
    sql: str


def _query(value: object, info: ValidationInfo) -> object:
    """The query that a path names."""
    if not isinstance(value, str):
        return value
    try:
        return Query(
            name=value, sql=(Path((info.context or {})["folder"]) / value).read_text(encoding="utf-8")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{value} cannot be read ({error})") from error


NOBODY = (
    *(
        "0",
        "-1",
        "null",
        "nil",
        "n/a",
        "nan",
        "none",
        "undefined",
        "unknown",
        "not provided",
        "no customer",
        "no email",
    ),
    *(
        "guest",
        "guest checkout",
        "guest customer",
        "guest order",
        "guest user",
        "anonymous",
        "anonymous customer",
    ),
    *("walk-in", "walkin", "walk-in customer", "cash", "cash customer", "cash sale", "counter sale"),
    *(
        "gast",
        "gastbestellung",
        "gastkunde",
        "anonym",
        "unbekannt",
        "laufkundschaft",
        "laufkunde",
        "barverkauf",
        "barkunde",
    ),
    *(
        "invité",
        "client de passage",
        "client comptoir",
        "inconnu",
        "invitado",
        "desconocido",
        "ospite",
        "onbekend",
    ),
)
"""What exports have in place of a customer."""


class Layout(Strict):
    """How the files with one header are read. Without ``fields`` the files are only for the SQL of another layout."""

    name: str = Field(default="records", description="the name of the files' records in SQL")
    header: tuple[str, ...] = Field(description="the columns of the files, in any order")
    absent: tuple[str, ...] = Field(
        default=(), description="columns that the SQL names and the files lack: they are empty"
    )
    records: Annotated[
        Query | None, BeforeValidator(_query), PlainSerializer(lambda found: found and found.name)
    ] = Field(default=None, description="a file with SQL that makes the records; without it each line is one")
    table: Target = Field(default="orders", description="what the records are: orders, customers or tickets")
    fields: Mapping[FieldName, Columns] = Field(default={}, description="the column of each field")
    date_order: DateOrder = Field(
        default="ymd",
        description="the order of year, month and day in dates: ymd, mdy or dmy; or numbers: unix or excel",
    )
    time_zone: str | None = Field(
        default=None, description="the shop's time zone, if times are UTC; without it the day is as written"
    )
    decimal: Literal[".", ","] = Field(
        default=".", description="the decimal sign of amounts that could be read in two ways"
    )
    no_customer: tuple[str, ...] = Field(
        default=NOBODY,
        description="texts that are no customer, whatever their case and signs: the order is a guest's",
    )
    notes: str | None = Field(
        default=None, description="a pattern of lines with fewer fields that are no records: totals and notes"
    )
    kinds: tuple[Kind, ...] = Field(
        default=(),
        description="what a record is: the first rule whose SQL is true. It may use order_id, customer_id, product_id, "
        "quantity, amount, and record['X'], the text of column X. Without one, a record with a negative quantity or "
        "amount is a return, and any other a sale",
    )


class Export(Strict):
    """Files of one system: order lines, and what belongs to them."""

    preset: str | None = Field(default=None, description="the known export that the layouts are from")
    files: tuple[str, ...] = Field(description="paths or patterns, absolute or below the data folder")
    layouts: tuple[Layout, ...]


class Sources(Strict):
    """All exports of the shop."""

    first_month: date = Field(description="the month of the first order, by its first day")
    currency: str | None = Field(
        default=None,
        description="the currency of the figures, by its ISO code; that of the exports if they have one",
    )
    rates: str | None = Field(
        default=None,
        description="a CSV file with the columns day, currency and rate: what one unit costs in the currency of the "
        "figures from that day on",
    )
    exports: tuple[Export, ...]
    databases: tuple[Database, ...] = Field(
        default=(), description="what is fetched from databases before the exports are read"
    )

    @model_validator(mode="after")
    def _has_distinct_names(self) -> Self:
        names = [database.name.lower() for database in self.databases]
        if len(set(names)) < len(names):
            raise ValueError("two databases have one name; give each its own")
        return self


def load_sources(data_dir: Path) -> Sources | None:
    """The exports of a data folder; None if it has no ``sources.yaml``.

    Raises:
        PlatformError: the file cannot be read, or a key is wrong. The message names it.

    """
    path = data_dir / FILE
    if not path.exists():
        return None
    try:
        return Sources.model_validate(
            yaml.safe_load(path.read_text(encoding="utf-8")), context={"folder": data_dir}
        )
    except (OSError, UnicodeDecodeError) as error:
        raise PlatformError(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise PlatformError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the file"
        raise PlatformError(
            f"{path}: {where}: {first['msg']}; correct it, or run 'cip adopt' again"
        ) from error


def files_of(export: Export, data_dir: Path) -> Sequence[Path]:
    """The files of an export, sorted by path.

    Raises:
        PlatformError: a pattern matches no file.

    """
    found: set[Path] = set()
    for pattern in export.files:
        path = data_dir / pattern  # an absolute path stays as it is
        inside = str(path.relative_to(path.anchor))
        # A name may have characters that mean something else in a pattern.
        here = (
            {path} if path.is_file() else {file for file in Path(path.anchor).glob(inside) if file.is_file()}
        )
        if not here:
            raise PlatformError(f"{FILE}: no file matches {pattern!r}; put the file there, or correct files")
        found |= here
    return sorted(found)


def literal(text: str) -> str:
    """A text in SQL."""
    return "'" + text.replace("'", "''") + "'"
