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
    WithJsonSchema,
    model_validator,
)

from cip_assets.config.errors import PlatformError
from cip_assets.config.yaml_text import read_yaml
from cip_assets.sources.databases.database import Database
from cip_assets.sources.streams.topics import Kafka

FILE = "sources.yaml"

Target = Literal["orders", "customers", "tickets", "sessions"]
"""What the records of a layout are: order lines, customers, support tickets, or web sessions and their events."""

WHAT_RECORDS_ARE = (
    "what the records are: orders, customers, tickets, or sessions of the website and their events"
)

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
    "discount_share",
    "refunded",
    "returned_quantity",
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
    "session_id",
    "activity",
]
"""What a column can be."""

FIELDS: Mapping[FieldName, str] = {
    "order_id": "the order; it has one or more records",
    "customer_id": "the buyer: the first of the columns that names somebody; email addresses are compared in lower "
    "case",
    "product_id": "the product",
    "product_name": "the name of the product; the newest one counts",
    "category": "the category of the product; the newest one counts",
    "quantity": "how many units; without it, each record is one",
    "unit_price": "the price of one unit",
    "line_total": "the amount of the line; where it is given, quantity times unit_price does not count",
    "discount": "an amount that is taken off the line, written with or without a minus",
    "discount_percent": "what is taken off the line, in percent of it",
    "discount_share": "what is taken off the line, as a share of it: 0.1 is a tenth",
    "refunded": "an amount that was given back for the line, written with or without a minus",
    "returned_quantity": "how many units of the line were given back; without refunded, at what they cost",
    "date": "the day of the order or the return, the day a ticket was opened, or the time of an event or a session",
    "payment_method": "how the buyer paid",
    "currency": "the currency, as a code or a sign; without it, the sign in the amount counts",
    "updated_at": "when the order was changed last: its newest version replaces all others",
    "document_id": "what a newer file brings again as a whole, if that is not the order: a payment or a settlement",
    "order_discount": "an amount that is taken off the order, from each line in proportion",
    "order_refunded": "what was given back for the order in all; a text that is no number, such as unknown, says that "
    "nobody knows how much",
    "refund_date": "the day of the last refund; without it, a refund has the day of its order",
    "subtotal": "the goods of the order after discounts, to compare its lines with",
    "shipping": "the shipping of the order, to compare its lines with what was paid",
    "tax": "the tax of the order, to compare its lines with what was paid",
    "charged": "what the buyer paid for the order in all",
    "email": "the email address of a customer: orders, tickets and sessions with it are that customer's",
    "first_name": "the first name of a customer",
    "last_name": "the last name of a customer",
    "region": "the region or country of a customer",
    "ticket_id": "the support ticket; its newest record counts",
    "ticket_category": "what the ticket is about",
    "priority": "the priority of the ticket",
    "status": "the status of the ticket",
    "resolved": "the day the ticket was resolved",
    "session_id": "the session of a visitor; without it, events of a customer are one session while each is at most "
    "30 minutes after the one before",
    "activity": "what the visitor did: the name of an event, or the address of a page",
}
"""What each field means. The amounts of an order stand on its first record or on each."""

NEEDED_FIELDS: Mapping[Target, Sequence[FieldName]] = {
    "orders": ("order_id", "date"),
    "customers": ("customer_id",),
    "tickets": ("ticket_id", "customer_id", "date"),
    "sessions": ("customer_id", "date"),
}
"""The fields that each record must have; an order line also has a unit_price or a line_total."""

KindName = Literal[
    "sale",
    "return",
    "refunded",
    "partly_refunded",
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
"""What a record can be by the rules of a layout."""

KINDS: Mapping[KindName, str] = {
    "sale": "an order line",
    "return": "something that was given back: goods, or only money",
    "refunded": "an order line that was given back in all, if nothing says how much. It counts as a sale and a return",
    "partly_refunded": "an order line of an order that was given back in part. It counts as a sale, and how much was "
    "given back is unknown unless a field says it",
    "discount": "an amount that is taken off the lines of its order. Without such lines, it is taken off the "
    "customer's latest order that costs as much",
    "shipping": "shipping or postage",
    "fee": "a fee",
    "tax": "a tax",
    "adjustment": "a correction of the books, or a payment that is no sale",
    "gift_card": "a gift card that was sold",
    "summary": "a total, or a note between the records",
    "test": "a test of the shop",
    "cancelled": "an order that was cancelled",
    "awaiting_payment": "an order that is not paid yet",
    "failed": "an order whose payment failed, or was refused",
    "zero_price": "a line without a price",
    "stock_correction": "a correction of the stock",
    "unlinked_credit": "a credit that names no buyer",
    "other_channel": "an order that another channel sold",
    "merged": "a ticket that was merged with another one",
    "deleted": "a ticket that was deleted, or is spam",
    "unidentified": "a customer or a ticket without an id, or a visit to the website that names no customer",
}
"""What each kind means."""

OTHER_KINDS: Mapping[str, str] = {
    "customer": "a customer",
    "ticket": "a support ticket",
    "session": "a session of the website, or an event of one",
    "superseded": "an older version of an order, or a record that a newer file has again",
    "unreadable": "a record without an order, or whose day, quantity or amount cannot be read",
    "broken": "a line with too few fields, or with too many and one of these faults",
    "nothing": "no units for no amount, such as a line that was taken off its order",
    "repeated_header": "the header again, between the records",
    "not_used": "a line that the SQL of its layout makes no record of",
    "joined": "a line of a file that has no records of its own: the SQL of other layouts reads it",
}
"""What a line can be beside the rules of a layout."""

LANDS_IN: Mapping[str, str] = {
    "sale": "transactions",
    "return": "returns",
    "customer": "customers",
    "ticket": "support_tickets",
    "session": "web_activity",
    "unreadable": "quarantine",
    "broken": "quarantine",
}
"""Where the records of a kind go; those of others are no lines of landing files."""


def is_left_out(kind: str) -> bool:
    """Whether the records of a kind are in no landing file, and not read together with others."""
    return kind not in LANDS_IN and kind != "joined"


def goes_to(kind: str) -> str:
    """What becomes of the records of a kind, in a word or two."""
    others = {"discount": "taken off an order", "joined": "other records"}
    return LANDS_IN.get(kind) or others.get(kind, "left out")


DateOrder = Literal["ymd", "mdy", "dmy", "unix", "excel"]
"""The order of year, month and day; or numbers: the seconds, milliseconds or microseconds since 1970 in UTC, or days
of Excel.
"""

QUERIES = "sources"
"""The folder beside ``sources.yaml`` with the SQL of layouts."""

SCHEMA = f"{QUERIES}/schema.json"
"""The JSON schema of ``sources.yaml``, for editors."""


def _several(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _alone(columns: tuple[str, ...]) -> object:
    return columns[0] if len(columns) == 1 else list(columns)


Columns = Annotated[
    tuple[str, ...],
    BeforeValidator(_several, json_schema_input_type=str | list[str]),
    PlainSerializer(_alone, return_type=str | list[str]),
]
"""One column, or several: the first that has a text in the record counts."""


def _described(meanings: Mapping[str, str]) -> WithJsonSchema:
    """A JSON schema of some words, each with its meaning."""
    return WithJsonSchema(
        {"oneOf": [{"const": word, "description": what} for word, what in meanings.items()]}
    )


_OF_FIELDS = WithJsonSchema(
    {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            name: {"description": what, "type": ["string", "array"], "items": {"type": "string"}}
            for name, what in FIELDS.items()
        },
    }
)


class Strict(BaseModel):
    # Errors do not show what was given, because it may be a password.
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, hide_input_in_errors=True)


class Kind(Strict):
    """A rule for what a record is: SQL that is true for it."""

    kind: Annotated[KindName, _described(KINDS)] = Field(alias="is", description="what the record is")
    when: str = Field(description="SQL that is true for the record")


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
        Query | None,
        BeforeValidator(_query, json_schema_input_type=str | None),
        PlainSerializer(lambda found: found and found.name),
    ] = Field(default=None, description="a file with SQL that makes the records; without it each line is one")
    table: Target = Field(default="orders", description=WHAT_RECORDS_ARE)
    fields: Annotated[Mapping[FieldName, Columns], _OF_FIELDS] = Field(
        default={}, description="the column of each field, or several: the first that has a text counts"
    )
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
    currency: str | None = Field(
        default=None,
        description="the currency of amounts that name none, if the name of their column says it",
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
        "quantity, unit_price, amount, day, and record['X'], the text of column X. Without one, a record with a "
        "negative quantity or amount is a return, and any other a sale",
    )

    @model_validator(mode="after")
    def _has_what_is_needed(self) -> Self:
        missing = [name for name in NEEDED_FIELDS[self.table] if name not in self.fields]
        if self.table == "orders" and not {"unit_price", "line_total"} & set(self.fields):
            missing.append("line_total")
        if self.fields and missing:
            raise ValueError(f"its fields lack {' and '.join(missing)}; name the column of each")
        return self


class Export(Strict):
    """Files of one system: order lines, and what belongs to them."""

    preset: str | None = Field(default=None, description="the known export that the layouts are from")
    files: tuple[str, ...] = Field(description="paths or patterns, absolute or below the data folder")
    layouts: tuple[Layout, ...] = Field(description="how the files are read, by their header")


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
    exports: tuple[Export, ...] = Field(default=(), description="the exports, each of one system")
    databases: tuple[Database, ...] = Field(
        default=(), description="what is fetched from databases before the exports are read"
    )
    kafka: Kafka | None = Field(
        default=None, description="the topics whose records 'cip stream' turns into landing files"
    )

    @model_validator(mode="after")
    def _has_something(self) -> Self:
        if "exports" not in self.model_fields_set and self.kafka is None:
            raise ValueError("name exports or kafka")
        return self

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
            read_yaml(path.read_text(encoding="utf-8")), context={"folder": data_dir}
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
